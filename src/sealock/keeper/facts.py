"""What the keeper writes into the ledger, and what it tells of it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from sealock.core.lease import Lease
from sealock.core.release import Entry, LeaseIssued, Released
from sealock.keeper.conditions import Case
from sealock.keeper.protocol import ListedRelease


def fingerprint(key: bytes) -> str:
    """Of a one-time public key, as the ledger names it."""
    return sha256(key).hexdigest()


def key_of(case: Case) -> bytes:
    """The public key of whoever asks: of the lease, else of the session. ValueError without either."""
    holder = case.lease or case.session
    if holder is None:
        raise ValueError("a case with neither a lease nor a session has nobody to release to")
    return holder.key


def issued(lease: Lease, by: str) -> LeaseIssued:
    """That a lease was made. by: whoever schedules."""
    terms = lease.terms
    return LeaseIssued(
        lease=lease.id,
        build=terms.build,
        attempt=terms.attempt,
        account=terms.account,
        project=terms.project,
        plan_digest=terms.plan_digest,
        worker=lease.worker,
        key=fingerprint(lease.key),
        epoch=lease.epoch,
        expires_at=lease.expires_at,
        by=by,
    )


def released(case: Case) -> Released:
    """That what the rules allowed was released. ValueError for a case that shows no reason."""
    basis = case.basis
    if basis is None:
        raise ValueError("a case without a basis is not released")
    reason, to, build, attempt = _why(case)
    return Released(
        account=case.what.account,
        project=case.what.project or "",
        kind=case.what.kind.value,
        name=case.what.name,
        version=case.what.version,
        basis=basis,
        reason=reason,
        build=build,
        attempt=attempt,
        step=case.step,
        to=to,
        via=case.peer.name,
        key=fingerprint(key_of(case)),
    )


def _why(case: Case) -> tuple[str, str, str, int]:
    """Reason, receiver, build and attempt."""
    if case.lease is not None:
        terms = case.lease.terms
        return case.lease.id, case.lease.worker, terms.build, terms.attempt
    if case.session is None:
        raise ValueError("nobody to release to")
    return (case.grant.id if case.grant else case.session.id), case.session.person, "", 0


def listed(entries: Iterable[Entry], builds: Iterable[str]) -> Iterator[ListedRelease]:
    """Those of `entries` by which one of those builds was given something."""
    wanted = frozenset(builds)
    for entry in entries:
        if isinstance(entry.fact, Released) and entry.fact.build in wanted:
            yield ListedRelease(
                sequence=entry.sequence,
                at=entry.at,
                fact=entry.fact,
                previous=entry.previous,
                digest=entry.digest,
            )
