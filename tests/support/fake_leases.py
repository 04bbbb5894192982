"""A keeper's leases in memory: it refuses what the real one refuses, and opens without any cryptography.

For tests of builds that are not about the keeper. `tests/contract/test_leases.py` asks the same of it and of
the real one, so that no build passes its tests with what it would not be given.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sealock.core.lease import LONGEST_LEASE, HeldLease, LeasedStep, Refused, Terms
from sealock.core.release import Basis, Entry, Released
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, Sealed, SealedName
from sealock.core.secret import Secret

ANY_BRANCH = Scope(protected_only=False)
ANYWHERE = Scope(protected_only=False, directories=True)
NOTHING = "0" * 64
REFUSED = "0" * 16


@dataclass
class _Attempt:
    """The latest at a build. step: the position of the latest that was given something."""

    number: int
    ended: bool = False
    fetched: bool = False
    step: int = -1


@dataclass
class FakeLeases:
    """Implements `core.lease.Leases` and `core.release.Exposures`: opens `values`, by the terms and
    `scopes`. issued, opened, given: all so far."""

    values: dict[SealedName, bytes] = field(default_factory=dict)
    scopes: dict[SealedName, Scope] = field(default_factory=dict)
    issued: list[Terms] = field(default_factory=list)
    opened: list[tuple[SealedName, str]] = field(default_factory=list)
    given: list[Secret] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    clock: Callable[[], float] = time.time
    latest: dict[str, _Attempt] = field(default_factory=dict)

    @asynccontextmanager
    async def lease(self, terms: Terms) -> AsyncIterator[HeldLease]:
        before = self.latest.get(terms.build)
        if not _may_lease(terms) or (before and before.number >= terms.attempt):
            raise Refused(REFUSED)
        attempt = self.latest[terms.build] = _Attempt(terms.attempt)
        self.issued.append(terms)
        try:
            yield _Held(self, terms, attempt, self.clock() + terms.lifetime)
        finally:
            attempt.ended = True

    async def exposures(self, *builds: str) -> list[Entry]:
        given = [(entry, entry.fact) for entry in self.entries]
        return [entry for entry, fact in given if isinstance(fact, Released) and fact.build in builds]


class _Held:
    def __init__(self, leases: FakeLeases, terms: Terms, attempt: _Attempt, expires_at: float) -> None:
        self._leases, self._terms, self._attempt = leases, terms, attempt
        self.expires_at = expires_at

    async def open(self, sealed: Sealed, *, step: str = "") -> Secret:
        return (await self.open_all([sealed], step=step))[0]

    async def open_all(self, sealed: Sequence[Sealed], *, step: str = "") -> list[Secret]:
        leases, names = self._leases, [each.name for each in sealed]
        if len(set(names)) != len(names) or not all(self._may_have(name, step) for name in names):
            raise Refused(REFUSED)
        self._note(names, step)
        given = [Secret(leases.values[name]) for name in names]
        leases.given += given
        return given

    def _may_have(self, name: SealedName, step: str) -> bool:
        leases, attempt = self._leases, self._attempt
        lives = not attempt.ended and leases.clock() < self.expires_at
        if not lives or leases.latest.get(self._terms.build) is not attempt or name not in leases.values:
            return False
        if step == "":
            scope = leases.scopes.get(name, ANY_BRANCH)
            first = not attempt.fetched and attempt.step < 0
            return name == self._terms.ssh_key and first and _is_of(scope, self._terms)
        place = self._place(step)
        return (
            place is not None
            and place >= attempt.step
            and name in self._terms.steps[place].secrets
            and _suits(leases.scopes.get(name, ANY_BRANCH), self._terms, self._terms.steps[place])
        )

    def _place(self, step: str) -> int | None:
        names = [each.name for each in self._terms.steps]
        return names.index(step) if step in names else None

    def _note(self, names: Sequence[SealedName], step: str) -> None:
        place = self._place(step)
        if place is None:
            self._attempt.fetched = True
        else:
            self._attempt.step = place
        for name in names:
            self._leases.opened.append((name, step))
            self._leases.entries.append(self._entry(name, step))

    def _entry(self, name: SealedName, step: str) -> Entry:
        terms = self._terms
        fact = Released(
            account=name.account,
            project=name.project or "",
            kind=name.kind.value,
            name=name.name,
            version=name.version,
            basis=Basis.LEASE,
            reason="1" * 32,
            build=terms.build,
            attempt=terms.attempt,
            step=step,
            to="local",
            via="local",
            key=NOTHING,
        )
        return Entry(len(self._leases.entries) + 1, self._leases.clock(), fact, NOTHING, NOTHING)


def _may_lease(terms: Terms) -> bool:
    names = [step.name for step in terms.steps]
    secrets = [secret for step in terms.steps for secret in step.secrets]
    ours = {(terms.account, terms.project), (terms.account, None)}
    return (
        0 < terms.lifetime <= LONGEST_LEASE
        and "" not in names
        and len(set(names)) == len(names)
        and all(
            (each.account, each.project) in ours and each.kind in {Kind.VARIABLE, Kind.FILE}
            for each in secrets
        )
        and (terms.ssh_key is None or terms.ssh_key.project == terms.project)
    )


def _is_of(scope: Scope, terms: Terms) -> bool:
    """A scope of tests that are not about repositories says none."""
    if terms.origin is None:
        return scope.directories
    return scope.origin is None or terms.origin.is_within(scope.origin)


def _suits(scope: Scope, terms: Terms, step: LeasedStep) -> bool:
    found = terms.branch is not None and terms.found_on == terms.branch
    protected = terms.protected and found and not terms.fork
    return (
        _is_of(scope, terms)
        and (protected or not scope.protected_only)
        and (step.kind == "deploy" or not scope.deployments_only)
        and (step.pipeline in scope.pipelines or not scope.pipelines)
    )
