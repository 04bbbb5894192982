"""Badges: a small picture of how a branch stands, which other websites may show.

Whoever has the address sees it, so the address holds a key (`builds.badges`). The picture holds no script, no
style and nothing of another place; its text is there for who cannot see it. Nobody is to keep it: what a
README shows is how the branch stands now.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated
from xml.sax.saxutils import escape

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from sealock.builds.badges import KEY_DIGITS, Badge
from sealock.core.project import Project
from sealock.web.asking import service_of
from sealock.web.origin import Origin
from sealock.web.pages.shown import visible
from sealock.web.pages.static import content
from sealock.web.security import SHOWN_BY

LONGEST_SHOWN = 40
"""Characters of a branch's name in a picture."""

NARROW, WIDE, LAST_LATIN = frozenset(" fijlrtI.,:;'|!()[]-/"), frozenset("mwMW@%"), 0x24F
"""In the fonts of a badge NARROW signs take about 4 pixels, WIDE ones and those beyond Latin 10, others 7."""

GREEN, RED, GREY, DARK = "#1a7f37", "#a91e26", "#57606a", "#32383f"
"""White text has a contrast of at least 5 to 1 on each."""
COLOURS = {"green": GREEN, "": GREY, "cancelled": GREY}

router = APIRouter()


@dataclass(frozen=True)
class BadgeTold:
    """path and url: of the picture; with `?branch=NAME` of another branch than the default one. markdown: for
    a README, leading to the project's page."""

    path: str
    url: str
    markdown: str


@router.get("/badges/{project}/{key}.svg", include_in_schema=False)
async def show_badge(
    request: Request,
    project: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")],
    key: Annotated[str, Path(pattern=rf"^[0-9a-f]{{{KEY_DIGITS}}}$")],
    branch: Annotated[str | None, Query(min_length=1, max_length=250)] = None,
) -> Response:
    """The picture, for whoever has its address; 404 for one that is none, or no longer."""
    badge = await service_of(request).badges.read(project, key, branch)
    if badge is None:
        raise HTTPException(404, "There is no such badge.")
    picture = drawn(badge).encode()
    tag = f'"{hashlib.sha256(picture).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag, SHOWN_BY: "cross-origin"}
    if request.headers.get("if-none-match") == tag:
        return Response(None, 304, headers)
    return Response(picture, 200, headers, "image/svg+xml")


def badge_told(request: Request, project: Project, version: int) -> BadgeTold:
    """Where the badge of a project is."""
    origin = Origin.parse(str(request.base_url))
    path = f"/badges/{project.id}/{service_of(request).badges.key(project.id, version)}.svg"
    url = f"{origin}{path}"
    return BadgeTold(path, url, f"[![build]({url})]({origin}/projects/{project.id})")


def drawn(badge: Badge) -> str:
    """The picture as SVG: the branch, an icon and a word."""
    name = visible(badge.branch)
    shown = name if len(name) <= LONGEST_SHOWN else name[: LONGEST_SHOWN - 1] + "…"
    word = badge.status.replace("-", " ") or "not built yet"
    left, right = _width(shown) + 12, _width(word) + 30
    icon = content()[f"icon-{badge.status or 'queued'}.svg"].decode()
    placed = icon.replace("<svg ", f'<svg x="{left + 5}" y="3" width="14" height="14" ', 1)
    said = escape(f"{shown}: {word}", {'"': "&quot;"})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{said}"><title>{said}</title>'
        f'<rect width="{left + right}" height="20" rx="4" fill="{COLOURS.get(badge.status, RED)}"/>'
        f'<path d="M4 0H{left}V20H4A4 4 0 0 1 0 16V4A4 4 0 0 1 4 0Z" fill="{DARK}"/>{placed}'
        + _text(6, shown)
        + _text(left + 23, word)
        + "</svg>\n"
    )


def _width(text: str) -> int:
    """How wide the fonts below draw it, about, so that it is neither stretched nor pressed; pixels."""
    widths = (4 if sign in NARROW else 10 if sign in WIDE or ord(sign) > LAST_LATIN else 7 for sign in text)
    return max(7, sum(widths))


def _text(x: int, text: str) -> str:
    """textLength: it has its place whatever the fonts of who looks."""
    return (
        f'<text x="{x}" y="14" textLength="{_width(text)}" lengthAdjust="spacingAndGlyphs" fill="#fff" '
        f'font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{escape(text)}</text>'
    )
