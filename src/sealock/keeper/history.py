"""What the ledger says has happened, kept at hand: nothing here that could not be read from it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sealock.core.keeper import KnownWorker
from sealock.core.release import (
    Basis,
    Entry,
    GrantRevoked,
    LeaseEnded,
    LeaseIssued,
    Released,
    WorkerAdmitted,
    WorkerRemoved,
)
from sealock.core.sealed import Kind


@dataclass(frozen=True)
class Attempt:
    """The latest attempt at a build. lease: its id. worker: whose it is. fetched: the SSH key was released
    for it. step: the latest one something was released for, `` while there is none."""

    number: int
    lease: str
    worker: str = ""
    ended: bool = False
    fetched: bool = False
    step: str = ""


class History:
    """The ledger's entries, as far as later decisions depend on them: about 300 bytes a build."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._attempts: dict[str, Attempt] = {}
        self._revoked: set[str] = set()
        self._workers: dict[str, KnownWorker] = {}
        for entry in entries:
            self.note(entry)

    def attempt(self, build: str) -> Attempt | None:
        """The latest attempt at a build, None if there was none."""
        return self._attempts.get(build)

    def is_revoked(self, grant: str) -> bool:
        """Whether the grant of that id was taken back."""
        return grant in self._revoked

    def workers(self) -> list[KnownWorker]:
        """Those that are known, by name."""
        return [self._workers[name] for name in sorted(self._workers)]

    def worker(self, name: str) -> KnownWorker | None:
        """The worker of that name, if it is known."""
        return self._workers.get(name)

    def worker_with(self, key: bytes) -> KnownWorker | None:
        """The worker with that key, if it is known."""
        return next((one for one in self._workers.values() if one.key == key), None)

    def note(self, entry: Entry) -> None:
        """Take in the next entry."""
        fact = entry.fact
        if isinstance(fact, LeaseIssued):
            self._attempts[fact.build] = Attempt(fact.attempt, fact.lease, fact.worker)
        elif isinstance(fact, LeaseEnded):
            self._change(fact.build, fact.attempt, ended=True)
        elif isinstance(fact, GrantRevoked):
            self._revoked.add(fact.grant)
        elif isinstance(fact, Released):
            self._note_release(fact)
        elif isinstance(fact, WorkerAdmitted):
            self._workers[fact.worker] = KnownWorker(fact.worker, bytes.fromhex(fact.key), entry.at, fact.by)
        elif isinstance(fact, WorkerRemoved):
            self._note_removed(fact.worker)

    def _note_removed(self, worker: str) -> None:
        """What it has leased is void, also if one of that name is admitted again."""
        self._workers.pop(worker, None)
        for build, attempt in self._attempts.items():
            if attempt.worker == worker and not attempt.ended:
                self._attempts[build] = replace(attempt, ended=True)

    def _note_release(self, fact: Released) -> None:
        if fact.basis is not Basis.LEASE:
            return
        if fact.kind == Kind.SSH_KEY:
            self._change(fact.build, fact.attempt, fetched=True)
        else:
            self._change(fact.build, fact.attempt, step=fact.step)

    def _change(self, build: str, number: int, **changes: bool | str) -> None:
        attempt = self._attempts.get(build)
        if attempt is not None and attempt.number == number:
            self._attempts[build] = replace(attempt, **changes)  # type: ignore[arg-type]  # named above
