"""Style sheets, scripts and icons: served from memory, under an address that changes with what is in them.

The address holds one digest of all files, so that a browser may keep each for ever, and a script finds the
others it needs beside it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, HTTPException, Response

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(prefix="/static", include_in_schema=False)


@cache
def content() -> dict[str, bytes]:
    """Every file by its name."""
    directory = files("sealock.web").joinpath("static")
    return {one.name: one.read_bytes() for one in directory.iterdir() if _kind(one.name) in TYPES}


@cache
def digest() -> str:
    """SHA-256 of all of them, hexadecimal."""
    told = hashlib.sha256()
    for name, data in sorted(content().items()):
        told.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(data).digest())
    return told.hexdigest()


def static(name: str) -> str:
    """The address of a file. KeyError if there is none: a template that names one is wrong."""
    if name not in content():
        raise KeyError(f"there is no static file {name}")
    return f"/static/{digest()}/{name}"


@router.get("/{version}/{name}")
async def static_file(version: str, name: str) -> Response:
    """A file, for anybody. 404 for one of another version of the website: what is kept must be right."""
    if version != digest() or name not in content():
        raise HTTPException(404, "There is no such file.")
    return Response(content()[name], 200, FOR_EVER, TYPES[_kind(name)])


def _kind(name: str) -> str:
    return name[name.rfind(".") :]
