"""How a person wants pages to look and to be used: kept in their browser, in cookies that hold one word each.

They are for this browser, not for the person: a screen in the sun wants another theme than one at night. What
a cookie holds is looked up, never written into a page.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

THEMES = ("system", "light", "dark")
KEYS = ("on", "off")
THEME_COOKIE = "__Host-sealock-theme"
KEYS_COOKIE = "__Host-sealock-keys"
YEAR = 365 * 24 * 3600


def preferences(request: Request) -> dict[str, str]:
    """`theme` and `keys`, each one of its words, the first by default."""
    return {
        "theme": _one_of(THEMES, request.cookies.get(THEME_COOKIE)),
        "keys": _one_of(KEYS, request.cookies.get(KEYS_COOKIE)),
    }


def keep_preferences(response: Response, theme: str, keys: str) -> None:
    """Have the browser keep them for a year."""
    for name, value in ((THEME_COOKIE, _one_of(THEMES, theme)), (KEYS_COOKIE, _one_of(KEYS, keys))):
        response.set_cookie(name, value, max_age=YEAR, path="/", secure=True, httponly=True, samesite="lax")


def _one_of(words: tuple[str, ...], told: str | None) -> str:
    return told if told in words else words[0]
