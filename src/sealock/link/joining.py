"""How a worker joins: it finds out that the website is the one that made its token, then shows it that.

The website's authority is asked for over a connection that is not yet trusted, and compared with the token's
fingerprint. Only over a second connection, certified by that authority, does the token leave.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl

from sealock.builds.worker_wire import Certified, Join
from sealock.link.errors import NotTheWebsite
from sealock.link.identity import Identity, JoinToken, new_pair, trusting
from sealock.link.website import Website


async def join(server: str, token: JoinToken, identity: Identity) -> None:
    """Get a certificate and keep it. NotTheWebsite if the website is not the token's, and then nothing was
    told to it; NotTaken for a token that was used or is too old; WebsiteAway."""
    authority = await _authority(server, token)
    key, request = new_pair()
    async with Website(server, trusting(authority)) as website:
        asked = Join(token=token.text, request=request.decode())
        certified = await website.say("join", asked, Certified)
    identity.keep(authority, key, certified.certificate.encode())


async def _authority(server: str, token: JoinToken) -> bytes:
    unknown = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unknown.check_hostname = False
    unknown.verify_mode = ssl.CERT_NONE
    async with Website(server, unknown) as website:
        pem = await website.read("authority")
    try:
        found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))).digest()
    except ValueError as error:
        raise NotTheWebsite(server, "it has no authority to show") from error
    if not hmac.compare_digest(found, token.fingerprint):
        raise NotTheWebsite(server, "its authority is not the one that the join token names")
    return pem
