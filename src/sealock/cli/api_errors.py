"""What a server answers, as errors for the reader; `way_errors` has the way there.

    400 404 409 413 422     UsageError, in the server's own words
    401 403                 UsageError: sign in again, or ask somebody who may
    429 503                 TemporaryError
    other                   PermanentError, with the request's id for the server's operator

Texts of the server are a stranger's: whoever prints an error makes it safe (`cli.errors`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2

from sealock import __version__
from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError

LONGEST_TEXT = 2000
UNKNOWN_FIELD = "There is no such field or parameter."
"""What a server says of what it does not know."""

_AGAIN = (
    "The token of this host has run out or was revoked. Sign in again: sealock login {url}. If somebody else "
    "revoked it, {url}/account shows your tokens and sessions."
)

_LISTS = {
    "There is no such project": "`sealock projects list` lists them.",
    "There is no such worker": "`sealock workers list` lists them.",
    "There is no such build": "`sealock builds list` lists them.",
    "There is no such secret": "`sealock secrets list PROJECT` lists them.",
    "There is no such receipt": "A build has one once it has ended and a machine had run for it: "
    "`sealock builds show BUILD` says how it ended.",
    "There is no such log": "`sealock builds show BUILD` says how it ended.",
    "There is no log": "`sealock builds show BUILD` says how it ended.",
}


class NotFound(UsageError):
    """The server has no such thing, or not for us."""


class SignInEnded(UsageError):
    """The server does not know the token, or no longer."""


class StillAtIt(TemporaryError):
    """The server is doing this very request already, since it came before."""


def of_answer(response: httpx2.Response, url: str) -> SealockError:
    """The error an answer stands for; it has been read."""
    status, told = response.status_code, _problem(response)
    brief, details = _brief(told, status), "\n".join(_details(told))
    resolution = _text(told.get("resolution"))
    if 300 <= status < 400:
        return PermanentError(
            f"{url} sends us elsewhere, where we do not go",
            details=response.headers.get("location", "")[:LONGEST_TEXT],
            resolution="Sign in at the address the server is configured with: sealock login URL",
        )
    if status == 401:
        brief, resolution = f"{url} does not let us in: {brief}", _AGAIN.format(url=url)
    if status == 405 or (status == 404 and not _text(told.get("detail"))):
        brief, resolution = f"{url} does not know what this command asks for", another_version()
    if status == 404:
        resolution = resolution or _where_to_look(brief)
    if status == 421:
        resolution = (
            "Sign in at the address the server is configured with, its setting `origin`: sealock login URL"
        )
    if status == 422 and UNKNOWN_FIELD in details:
        resolution = another_version()
    if status == 403:
        brief = f"This is not allowed: {brief}"
    if status in (429, 503) or (status == 409 and "retry-after" in response.headers):
        resolution = f"Try again in {response.headers.get('retry-after', 'some')[:20]} seconds."
    if kind := _kind(status, response.headers):
        return kind(brief, details=details, resolution=resolution)
    named = f"request {_text(told.get('request_id')) or 'unknown'}, status {status}"
    return PermanentError(
        f"{url} had a fault: {brief}", details=named, resolution="Its log says more, under that request's id."
    )


def another_version() -> str:
    """What to do where a server does not understand us, or we not it."""
    return (
        f"The server may be of another version, or not be Sealock: this is {__version__}, `sealock whoami` "
        "says which the server has. Use one of the same."
    )


def _where_to_look(brief: str) -> str:
    """For what a server has not: the command that lists what it has. `` where none would help."""
    return next((told for start, told in _LISTS.items() if brief.startswith(start)), "")


def _kind(status: int, headers: httpx2.Headers) -> type[SealockError] | None:
    """None where it is the server's fault."""
    if status == 409 and "retry-after" in headers:
        return StillAtIt
    known: dict[int, type[SealockError]] = {401: SignInEnded, 404: NotFound}
    known |= {429: TemporaryError, 503: TemporaryError}
    return known.get(status, UsageError if 400 <= status < 500 else None)


def _problem(response: httpx2.Response) -> dict[str, Any]:
    if "json" not in response.headers.get("content-type", ""):
        return {}
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _brief(told: dict[str, Any], status: int) -> str:
    return (_text(told.get("detail")) or _text(told.get("title")) or f"status {status}").removesuffix(".")


def _details(told: dict[str, Any]) -> Iterator[str]:
    """Which fields were wrong, and why."""
    if details := _text(told.get("details")):
        yield details
    fields = told.get("fields")
    for one in fields[:20] if isinstance(fields, list) else ():
        if isinstance(one, dict):
            yield f"{_text(one.get('field'))}: {_text(one.get('reason'))}"


def _text(found: object) -> str:
    return found[:LONGEST_TEXT] if isinstance(found, str) else ""
