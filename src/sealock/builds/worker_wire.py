"""What a worker and the website say to each other, as JSON over HTTPS with certificates on both sides.

    GET  authority                                            the authority's certificate, for anybody
    POST join, renew, adopt, hello, known, claim, drain       a worker for itself
    POST builds/BUILD/ATTEMPT/beat, deployment, end, fail     of a build it has; 409 if it no longer has it
    PUT  builds/BUILD/ATTEMPT/progress, log-key               all there is to say so far; the sealed key
    POST builds/BUILD/ATTEMPT/log?offset=N                    sealed bytes, as they are
    POST builds/BUILD/ATTEMPT/keeper                          a frame for the keeper, as it is
    POST builds/BUILD/ATTEMPT/sealed, pinned                  what the build is given, sealed; versions

Which worker speaks, its certificate says, never a field. What is unknown or of another type is refused.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from sealock.builds.pinned import Pinned
from sealock.core.build import BuildRecord, Outcome
from sealock.core.builds import Progress
from sealock.core.errors import SealockError, UsageError
from sealock.core.project import PROJECT_NAME, Project
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import MOST_LABELS, Beat
from sealock.core.sealed import Kind, Sealed
from sealock.core.workers import MOST_MACHINES, WORKER_NAME

ROOT = "/worker/v1"

CLAIM_WAIT = 20.0
"""Seconds the website holds back the answer to a claim while there is nothing to do."""

LONGEST_PIECE = 1024 * 1024
"""Bytes of a log in one request."""

LONGEST_FRAME = 2 * 1024 * 1024
"""Bytes of a frame for the keeper."""

LONGEST_SMALL = 64 * 1024
LONGEST_PROGRESS = 1024 * 1024
LONGEST_RECORD = 8 * 1024 * 1024
"""Bytes of a request's JSON."""

LONGEST_REASON = 2000
"""Characters."""

MOST_VALUES = 60_000
"""In one message; a build of thousands of commands has fewer."""
MOST_MISTAKES = 20
"""Places that are wrong, beyond which none is named."""


class Message(BaseModel):
    """One of these, whole."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )


Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""Of a build or an attempt."""

Reason = Annotated[str, Field(max_length=LONGEST_REASON)]


class Join(Message):
    """token: the whole text. request: PKCS#10, PEM."""

    token: Annotated[str, Field(max_length=200)]
    request: Annotated[str, Field(max_length=16 * 1024)]


class Renew(Message):
    """request: PKCS#10, PEM. The new certificate works once it is adopted; from then on it alone does."""

    request: Annotated[str, Field(max_length=16 * 1024)]


class Certified(Message):
    """PEM."""

    certificate: str


class Hello(Message):
    """What a worker is, when it starts."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    machines: Annotated[int, Field(ge=1, le=MOST_MACHINES)]
    labels: Annotated[tuple[str, ...], Field(max_length=MOST_LABELS)]


class Welcome(Message):
    """name: what the worker is called; it becomes a part of the command that the worker asks its operator to
    run. version: the website's."""

    name: Annotated[str, Field(pattern=f"^(?:{WORKER_NAME.pattern})$")]
    version: str


class AskKnown(Message):
    """Whether the keeper knows the worker. key: the public half of what it signs with (Ed25519)."""

    key: Annotated[bytes, Field(min_length=32, max_length=32)]


class IsKnown(Message):
    """known: leases are made for what the worker signs."""

    known: bool


def _named(project: Project) -> Project:
    if not PROJECT_NAME.fullmatch(project.name):
        raise ValueError("that is no name of a project")
    return project


class Job(Message):
    """A build that is the worker's now. run: the attempt's id. commit: never a name, since what is fetched by
    the name of a branch is on it. lease, away: seconds, as in `core.queue.Claim`. protected: the branch is.
    pinned: it is to get the versions of another build (`pinned`)."""

    build: Identity
    attempt: int
    run: Identity
    lease: float
    away: float
    account: str
    ref: str | None
    branch: str | None
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")] | None
    protected: bool
    pipelines: tuple[str, ...]
    pinned: bool
    project: Annotated[Project, AfterValidator(_named)]
    settings: ProjectSettings

    @property
    def name(self) -> str:
        """What it is called in the log of a worker: `shop, build ID`, as far as a worker knows it."""
        again = f", attempt {self.attempt}" if self.attempt > 1 else ""
        return f"{self.project.name}, build {self.build}{again}"


class Claimed(Message):
    """None: there is nothing to do now."""

    job: Job | None


class AskBeat(Message):
    """wait: seconds for which the answer may be held back while there is nothing to say."""

    wait: Annotated[float, Field(ge=0, le=60)]


class Beaten(Message):
    """What the queue says."""

    beat: Beat


class Report(Message):
    """All there is to say so far."""

    progress: Progress


class AskSealed(Message):
    """A value of the build's project; version None: the newest."""

    kind: Kind
    name: Annotated[str, Field(max_length=128)]
    version: int | None


class Found(Message):
    """None: there is none."""

    sealed: Sealed | None


class Versions(Message):
    """None: none are pinned, since the build to be repeated was given nothing."""

    pinned: Pinned | None


class LogKey(Message):
    """The key of this attempt's log."""

    sealed: Sealed


class Kept(Message):
    """retired: it was not, since keys were rotated; seal it anew."""

    retired: bool


class LogSize(Message):
    """Bytes the website has; what comes next begins there."""

    size: int


class End(Message):
    """How an attempt came out. record: None where no machine had run."""

    outcome: Outcome
    reason: Reason
    record: BuildRecord | None


class Fail(Message):
    """It could not be run, by no fault of its own. temporary: a second try may succeed."""

    reason: Reason
    temporary: bool


class Done(Message):
    """It was."""


Said = TypeVar("Said", bound=Message)


def decode(kind: type[Said], content: bytes) -> Said:
    """The message. UsageError, which says where it is wrong and never what stands there."""
    if has_more_values(content, MOST_VALUES):
        raise UsageError(f"that is no {kind.__name__}: it has too many values")
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        if error.error_count() > MOST_MISTAKES:
            raise UsageError(f"that is no {kind.__name__}: it is wrong in many places") from None
        places = {".".join(str(part) for part in one["loc"])[:80] for one in error.errors()}
        raise UsageError(f"that is no {kind.__name__}: {', '.join(sorted(places)[:5])}") from None


def has_more_values(content: bytes, most: int) -> bool:
    """Whether this JSON has more values than so many. Each could be a mistake of its own, and a kilobyte of
    memory. False for what is not JSON."""
    if content.count(b",") + content.count(b"[") + content.count(b"{") <= most:
        return False
    try:
        left = [from_json(content)]  # what it counted may stand in texts
    except ValueError:
        return False
    while left and most > 0:
        value = left.pop()
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        most -= len(inside)
        if most > 0:
            left.extend(one for one in inside if isinstance(one, dict | list))
    return most <= 0


def encode(message: Message) -> bytes:
    """As JSON. ValueError for text that is no Unicode."""
    return message.model_dump_json().encode()


def shown(error: SealockError) -> str:
    """What people are told of an error that ended a build, in a message: with what to do where that is
    theirs, not the operator's."""
    advice = error.resolution if isinstance(error, UsageError) else ""
    return fitting(f"{error.brief}. {advice}" if advice else error.brief)


def fitting(text: str) -> str:
    """As much of a text as a message takes, in valid Unicode."""
    return text.encode(errors="replace").decode()[:LONGEST_REASON]
