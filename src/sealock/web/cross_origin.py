"""Whether a browser was made to send a request by another site.

The approach of Go's CrossOriginProtection: browsers say where a request comes from, in headers no page can
set. There is no token that a form could forget. `SameSite=Lax` on the cookie stands behind this.
"""

from __future__ import annotations

from collections.abc import Mapping

from sealock.core.decision import Allowed, Decision, Denied
from sealock.web.origin import Origin

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing; a route that breaks this is not protected."""

_NO = Denied("This request was sent by another site.")


def from_here(method: str, headers: Mapping[str, str], origin: Origin) -> Decision:
    """Whether a request may change something. headers: names in small letters."""
    if method in SAFE_METHODS:
        return Allowed()
    site, came_from = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        # `none`: typed into the address bar, or a bookmark.
        return Allowed() if site in ("same-origin", "none") else _NO
    if came_from is not None:
        return Allowed() if came_from.lower() == str(origin) else _NO
    # No browser sends neither. Programs do, and they show a token or a signature, not a cookie.
    return _NO if "cookie" in headers else Allowed()
