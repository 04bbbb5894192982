"""What the ledger says has happened, kept at hand: nothing here that could not be read from it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sealock.core.release import Basis, Entry, GrantRevoked, LeaseEnded, LeaseIssued, Released
from sealock.core.sealed import Kind


@dataclass(frozen=True)
class Attempt:
    """The latest attempt at a build. lease: its id. fetched: the SSH key was released for it. step: the
    latest one something was released for, `` while there is none."""

    number: int
    lease: str
    ended: bool = False
    fetched: bool = False
    step: str = ""


class History:
    """The ledger's entries, as far as later decisions depend on them: about 300 bytes a build."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._attempts: dict[str, Attempt] = {}
        self._revoked: set[str] = set()
        for entry in entries:
            self.note(entry)

    def attempt(self, build: str) -> Attempt | None:
        """The latest attempt at a build, None if there was none."""
        return self._attempts.get(build)

    def is_revoked(self, grant: str) -> bool:
        """Whether the grant of that id was taken back."""
        return grant in self._revoked

    def note(self, entry: Entry) -> None:
        """Take in the next entry."""
        fact = entry.fact
        if isinstance(fact, LeaseIssued):
            self._attempts[fact.build] = Attempt(fact.attempt, fact.lease)
        elif isinstance(fact, LeaseEnded):
            self._change(fact.build, fact.attempt, ended=True)
        elif isinstance(fact, GrantRevoked):
            self._revoked.add(fact.grant)
        elif isinstance(fact, Released):
            self._note_release(fact)

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
