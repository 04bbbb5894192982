"""What a server answers, or the way there, as errors for the reader.

    400 404 409 413 422     UsageError, in the server's own words
    401 403                 UsageError: sign in again, or ask somebody who may
    429 503                 TemporaryError
    other                   PermanentError, with the request's id for the server's operator

Texts of the server are a stranger's: whoever prints an error makes it safe (`cli.errors`).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import httpx2

from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError

LONGEST_TEXT = 2000

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


class NotTrusted(PermanentError):
    """What answers there does not show a certificate of the authority we trust."""


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
        brief, resolution = f"{url} does not let us in: {brief}", f"Sign in: sealock login {url}"
    if status == 404:
        resolution = resolution or _where_to_look(brief)
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


def _where_to_look(brief: str) -> str:
    """For what a server has not: the command that lists what it has. `` where none would help."""
    return next((told for start, told in _LISTS.items() if brief.startswith(start)), "")


def of_transport(error: httpx2.TransportError, url: str) -> SealockError:
    """The error of a way there that does not work."""
    untrusted = next((one for one in _causes(error) if isinstance(one, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        return NotTrusted(
            f"What answers at {url} is not the server you signed in to, or its certificate has changed",
            details=untrusted.verify_message or str(untrusted),
            resolution="Compare with `sealock authority` on the server; if it was replaced there, "
            f"sign in again: sealock login {url}",
        )
    return TemporaryError(
        f"{url} cannot be reached",
        details=str(error) or type(error).__name__,
        resolution="Is the server running, and is this host on its network?",
    )


def _kind(status: int, headers: httpx2.Headers) -> type[SealockError] | None:
    """None where it is the server's fault."""
    if status == 409 and "retry-after" in headers:
        return StillAtIt
    known: dict[int, type[SealockError]] = {401: SignInEnded, 404: NotFound}
    known |= {429: TemporaryError, 503: TemporaryError}
    return known.get(status, UsageError if 400 <= status < 500 else None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


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
