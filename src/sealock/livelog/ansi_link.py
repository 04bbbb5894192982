"""Which addresses a build may turn into links.

Only http and https, only an address that is as it reads: no name before an `@` that looks like a host, no
letters that look like others. Where a link leads is still the build's choice, as its text is.
"""

from __future__ import annotations

import re
from html import escape
from urllib.parse import urlsplit

LONGEST_ADDRESS = 2048
"""Characters."""

_HOST = re.compile(r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*|\[[0-9A-Fa-f:.]+\]")
# Printable ASCII without quotes, angle brackets, backslash and the like.
_ADDRESS = re.compile(r"https?://[0-9A-Za-z!#$%&()*+,./:;=?@_~\[\]-]+", re.IGNORECASE)


def link_target(parameters: str) -> str | None:
    """The address out of what follows `ESC ] 8 ;`. None for the end of a link, and for one that is not
    kept."""
    _, _, address = parameters.partition(";")
    if len(address) > LONGEST_ADDRESS or not _ADDRESS.fullmatch(address):
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    return address if _HOST.fullmatch(host) else None


def link_start(address: str) -> str:
    """The element's beginning. The page it leads to learns neither where from nor gets hold of ours."""
    return f'<a class="t-link" href="{escape(address)}" rel="noopener noreferrer nofollow">'
