"""The certificate of the installation's own authority, for whoever is about to decide whether to trust it.

It comes over a connection nobody has a reason to believe yet, so it is worth no more than the comparison of
its fingerprint with what `sealock authority` prints on the server.
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from sealock.web.ports import WebPorts

router = APIRouter()


@router.get("/authority.pem")
async def authority(request: Request) -> Response:
    """The certificate, PEM; 404 where the operator has one of their own."""
    ports: WebPorts = request.app.state.ports
    certificate = ports.service.site.authority if ports.service else None
    if certificate is None:
        raise HTTPException(404, "This website's certificate is not of an authority of its own.")
    return Response(certificate, media_type="application/x-pem-file")
