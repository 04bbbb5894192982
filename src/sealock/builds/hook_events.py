"""Reads what a Git server says about a push: the body of a signed webhook, in one format of our own.

The signature has been checked by then, so this is what somebody with the project's hook secret wrote. It is
still read as a stranger's: each field has a type and a limit, and one that is unknown or wrong is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sealock.core.errors import UsageError
from sealock.core.secret import Secret

LONGEST_HOOK = 1024 * 1024
"""Bytes of a body."""
WINDOW = 300
"""Seconds that `sent_at` may be away from our clock, either way."""
_ZEROS = frozenset({"0" * 40, "0" * 64})

CheckRef = Callable[[str], str]
"""A branch's or tag's name as it was given, or UsageError (`providers.git.ref.check_ref`)."""


@dataclass(frozen=True)
class Push:
    """A branch or a tag that moved. name: without `refs/heads/` or `refs/tags/`. before and after: commits,
    40 or 64 hexadecimal digits, None where there was or is none. repository: as its server calls it.
    delivery: the same for the same event only. sent_at: seconds since 1970, by the sender's clock."""

    delivery: str
    sent_at: int
    repository: str
    name: str
    is_tag: bool
    before: str | None
    after: str | None


@dataclass(frozen=True)
class HookTarget:
    """A project that pushes are told of. secrets: more than one while they are changed. repository: what a
    hook has to call the project's repository."""

    project: str
    secrets: tuple[Secret, ...]
    repository: str


_Commit = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    delivery: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{16,64}$")]
    sent_at: Annotated[int, Field(ge=0, le=2**40)]
    repository: Annotated[str, Field(min_length=1, max_length=1024)]
    ref: Annotated[str, Field(min_length=1, max_length=1024)]
    before: _Commit
    after: _Commit

    @model_validator(mode="after")
    def _something_moved(self) -> _Body:
        if len(self.before) != len(self.after) or self.before == self.after:
            raise ValueError("before and after are of two kinds, or the same commit")
        return self


def read_push(body: bytes, check_ref: CheckRef) -> Push:
    """The push that a body tells of. UsageError, naming the field, if it is not as documented."""
    if len(body) > LONGEST_HOOK:
        raise UsageError(f"The body has more than {LONGEST_HOOK} bytes")
    try:
        found = _Body.model_validate_json(body)
    except ValidationError as error:
        raise _told(error) from error
    if not found.repository.isprintable() or found.repository.strip() != found.repository:
        raise UsageError("repository: it begins or ends with a space, or holds what cannot be printed")
    name, is_tag = _name(found.ref, check_ref)
    return Push(
        found.delivery,
        found.sent_at,
        found.repository,
        name,
        is_tag,
        None if found.before in _ZEROS else found.before,
        None if found.after in _ZEROS else found.after,
    )


def is_current(push: Push, now: float) -> bool:
    """Whether it was sent about now. Deliveries are remembered for longer than this, so that none that is
    current has been forgotten. now: seconds since 1970."""
    return abs(now - push.sent_at) <= WINDOW


def _name(ref: str, check_ref: CheckRef) -> tuple[str, bool]:
    for start, is_tag in (("refs/heads/", False), ("refs/tags/", True)):
        if ref.startswith(start):
            try:
                return check_ref(ref.removeprefix(start)), is_tag
            except UsageError as error:
                raise UsageError(f"ref: {error.brief}", resolution=error.resolution) from error
    raise UsageError("ref: it is no branch (refs/heads/…) and no tag (refs/tags/…)")


def _told(error: ValidationError) -> UsageError:
    """The first mistake; without its value, which may be long or strange."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:100]
    shown = place.encode("unicode_escape").decode() if place else "The body"
    return UsageError(f"{shown}: {first['msg'].removeprefix('Value error, ')[:300]}")
