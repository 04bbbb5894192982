"""The workers a keeper knows: asked for, admitted, removed.

Who is on the roll follows from the ledger alone. There is no other file that could say something else, and a
ledger that was cut is seen at the next start, since how far it has come is noted with each change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sealock.core.errors import UsageError
from sealock.core.keeper import KnownWorker
from sealock.core.release import WorkerAdmitted, WorkerFact, WorkerRemoved
from sealock.keeper.history import History
from sealock.keeper.protocol import Done
from sealock.keeper.worker_messages import (
    MOST_WORKERS,
    Admitted,
    AdmitWorker,
    AskKnown,
    AskWorkers,
    Known,
    ListedWorker,
    RemoveWorker,
    WorkerReply,
    WorkerRequest,
    Workers,
)

Write = Callable[[Sequence[WorkerFact]], None]


def answer(history: History, request: WorkerRequest, by: str, now: float, write: Write) -> WorkerReply | Done:
    """Do it. by: what the keeper calls who asks. write: puts facts into the ledger. UsageError for what
    cannot be done, which an operator may be told."""
    match request:
        case AskKnown():
            return known(history, request, now, by)
        case AskWorkers():
            return listed(history)
        case RemoveWorker():
            write(removing(history, request, by))
            return Done()
        case AdmitWorker():
            before = history.worker(request.name)
            write(admitting(history, request, by))
            return Admitted(before=before.key if before and before.key != request.key else None)


def known(history: History, request: AskKnown, now: float, peer: str) -> Known:
    """Under which names those keys are known."""
    found = (history.worker_with(key) for key in request.keys)
    return Known(names=tuple(one.name if one else "" for one in found), now=now, peer=peer)


def listed(history: History) -> Workers:
    """Every worker that is known."""
    return Workers(
        workers=tuple(
            ListedWorker(name=one.name, key=one.key, since=one.since, by=one.by) for one in history.workers()
        )
    )


def admitting(history: History, request: AdmitWorker, by: str) -> Sequence[WorkerFact]:
    """The facts by which that worker is admitted; none if it is already. UsageError if it cannot be."""
    before, same = history.worker(request.name), history.worker_with(request.key)
    if same is not None and same.name != request.name:
        raise UsageError(
            f"that key is known as {same.name}",
            resolution=f"A worker has one name: remove {same.name} first, if it is the same one.",
        )
    if same is not None:
        return []
    if before is None and len(history.workers()) >= MOST_WORKERS:
        raise UsageError(
            f"{MOST_WORKERS} workers are known", resolution="Remove those that are not there any more."
        )
    return [
        *([_removed(before, by)] if before else []),
        WorkerAdmitted(request.name, request.key.hex(), by),
    ]


def removing(history: History, request: RemoveWorker, by: str) -> Sequence[WorkerFact]:
    """The facts by which that worker is removed; none if there is no such one."""
    found = history.worker(request.name)
    if found is None or request.key not in (None, found.key):
        return []
    return [_removed(found, by)]


def _removed(worker: KnownWorker, by: str) -> WorkerRemoved:
    return WorkerRemoved(worker.name, worker.key.hex(), by)
