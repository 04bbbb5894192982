"""What is asked about the workers that the keeper knows, and what it answers: part of `keeper.protocol`.

A lease is made only for what the key of such a worker signed. Operators say who is one; whoever carries for
workers may ask whether a key is known, so that it can tell what is in the way.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from sealock.keeper.statements import CONFIG

MOST_KEYS = 256
"""Keys asked for in one request."""

MOST_WORKERS = 1000
"""That are known at a time."""

RUN = "run@"
"""What `sealock run` is called begins with that, and goes on with what the keeper calls who started it. A
website's worker has no such name."""

Key = Annotated[bytes, Field(min_length=32, max_length=32)]
Name = Annotated[str, Field(pattern=r"^(run@)?[a-z0-9][a-z0-9.-]{0,62}$")]


class _Part(BaseModel):
    model_config = CONFIG


class AskKnown(_Part):
    """Under which names these keys are known."""

    op: Literal["known"] = "known"
    keys: Annotated[tuple[Key, ...], Field(max_length=MOST_KEYS)]


class AskWorkers(_Part):
    """Every worker that is known."""

    op: Literal["workers"] = "workers"


class AdmitWorker(_Part):
    """Make leases for what this key signs, made out to that name; the key it had before is void."""

    op: Literal["admit-worker"] = "admit-worker"
    name: Name
    key: Key


class RemoveWorker(_Part):
    """Make none for that worker any more; those it has are void. key: only if it has that one."""

    op: Literal["remove-worker"] = "remove-worker"
    name: Name
    key: Key | None = None


WorkerRequest = AskKnown | AskWorkers | AdmitWorker | RemoveWorker


class Known(_Part):
    """names: in the order of the keys, `` for one that is not known. now: the keeper's time, which what is
    asked for must name. peer: what the keeper calls whoever asked."""

    reply: Literal["known"] = "known"
    names: tuple[str, ...]
    now: float
    peer: str


class ListedWorker(_Part):
    """As `core.keeper.KnownWorker`."""

    name: str
    key: bytes
    since: float
    by: str


class Workers(_Part):
    """By name."""

    reply: Literal["workers"] = "workers"
    workers: tuple[ListedWorker, ...]


class Admitted(_Part):
    """before: the key that name had, which is void now; None if it had none or this very one."""

    reply: Literal["admitted"] = "admitted"
    before: bytes | None


WorkerReply = Known | Workers | Admitted
