"""What a release may depend on, each condition a function of one case: data in, true or false out."""

from __future__ import annotations

from dataclasses import dataclass

from sealock.core.grant import CONTENT_ROLES, LONGEST_GRANT, LONGEST_SESSION, Grant, Role, Session
from sealock.core.lease import Lease, LeasedStep
from sealock.core.release import Basis
from sealock.core.scope import Scope
from sealock.core.sealed import SealedName
from sealock.keeper.history import Attempt
from sealock.keeper.peers import Peer, PeerRole


@dataclass(frozen=True)
class Case:
    """One thing asked for. step: the one about to run, `` if it is for none. lease, session, grant: what
    the asker showed, signatures checked. attempt: the latest at the lease's build, as the ledger has it.
    revoked: whether the ledger says so of the grant. core_team: who may use grants at all. now: seconds
    since 1970, by the keeper's clock."""

    what: SealedName
    peer: Peer
    now: float
    epoch: int
    step: str = ""
    lease: Lease | None = None
    session: Session | None = None
    grant: Grant | None = None
    attempt: Attempt | None = None
    revoked: bool = False
    core_team: frozenset[str] = frozenset()

    @property
    def basis(self) -> Basis | None:
        """What the asker relies on; None for a mixture that means nothing."""
        shown = (self.lease is not None, self.session is not None, self.grant is not None)
        return _BASES.get(shown)


_BASES = {
    (True, False, False): Basis.LEASE,
    (False, True, False): Basis.MEMBER,
    (False, True, True): Basis.GRANT,
}


def _lease(case: Case) -> Lease:
    if case.lease is None:
        raise ValueError("a condition on a lease was asked of a case without one")
    return case.lease


def _session(case: Case) -> Session:
    if case.session is None:
        raise ValueError("a condition on a session was asked of a case without one")
    return case.session


def _grant(case: Case) -> Grant:
    if case.grant is None:
        raise ValueError("a condition on a grant was asked of a case without one")
    return case.grant


def carried_for_a_worker(case: Case) -> bool:
    return bool({PeerRole.WORKER, PeerRole.RELAY} & case.peer.roles)


def lease_of_this_epoch(case: Case) -> bool:
    return _lease(case).epoch == case.epoch


def lease_lives(case: Case) -> bool:
    return _lease(case).issued_at <= case.now < _lease(case).expires_at


def latest_attempt(case: Case) -> bool:
    lease, attempt = _lease(case), case.attempt
    return attempt is not None and (attempt.number, attempt.lease) == (lease.terms.attempt, lease.id)


def not_ended(case: Case) -> bool:
    return case.attempt is not None and not case.attempt.ended


def its_own_project(case: Case) -> bool:
    terms = _lease(case).terms
    return case.what.account == terms.account and case.what.project in (terms.project, None)


def the_key_of_the_fetch(case: Case) -> bool:
    return case.what == _lease(case).terms.ssh_key and case.what.project is not None


def for_no_step(case: Case) -> bool:
    return case.step == ""


def once_and_before_any_step(case: Case) -> bool:
    return case.attempt is not None and not case.attempt.fetched and case.attempt.step == ""


def for_a_step_that_names_it(case: Case) -> bool:
    step = find_step(_lease(case), case.step)
    return step is not None and case.what in step.secrets


def for_no_earlier_step(case: Case) -> bool:
    names = [step.name for step in _lease(case).terms.steps]
    latest = case.attempt.step if case.attempt else ""
    return case.step in names and (
        latest == "" or (latest in names and names.index(latest) <= names.index(case.step))
    )


def carried_by_a_relay(case: Case) -> bool:
    return PeerRole.RELAY in case.peer.roles


def session_of_this_epoch(case: Case) -> bool:
    return _session(case).epoch == case.epoch


def session_lives(case: Case) -> bool:
    return 0 < _session(case).expires_at - case.now <= LONGEST_SESSION


def of_the_persons_account(case: Case) -> bool:
    return _session(case).account == case.what.account


def a_role_with_content(case: Case) -> bool:
    return _session(case).role in CONTENT_ROLES


def crew_of_no_account(case: Case) -> bool:
    return _session(case).role is Role.CREW and _session(case).account == ""


def second_factor(case: Case) -> bool:
    return _session(case).second_factor


def in_the_core_team(case: Case) -> bool:
    return _session(case).person in case.core_team


def grant_of_the_things_account(case: Case) -> bool:
    return _grant(case).account == case.what.account


def grant_of_this_epoch(case: Case) -> bool:
    return _grant(case).epoch == case.epoch


def grant_lives(case: Case) -> bool:
    return _grant(case).begins_at <= case.now < _grant(case).expires_at


def grant_is_short(case: Case) -> bool:
    return _grant(case).expires_at - _grant(case).begins_at <= LONGEST_GRANT


def not_revoked(case: Case) -> bool:
    return not case.revoked


def granted_to_this_person(case: Case) -> bool:
    return _session(case).person in _grant(case).people


def granted_project(case: Case) -> bool:
    return case.what.project is not None and case.what.project in _grant(case).projects


def granted_kind(case: Case) -> bool:
    return case.what.kind in _grant(case).kinds


def granted_name(case: Case) -> bool:
    return not _grant(case).names or case.what.name in _grant(case).names


def find_step(lease: Lease, name: str) -> LeasedStep | None:
    """The lease's step of that name."""
    return next((step for step in lease.terms.steps if step.name == name), None)


def protected_enough(case: Case, scope: Scope) -> bool:
    terms = _lease(case).terms
    return not scope.protected_only or (terms.protected and terms.branch is not None and not terms.fork)


def found_on_its_branch(case: Case, scope: Scope) -> bool:
    terms = _lease(case).terms
    return not scope.protected_only or (terms.branch is not None and terms.found_on == terms.branch)


def from_its_repository(case: Case, scope: Scope) -> bool:
    fetched = _lease(case).terms.origin
    return fetched is None or (scope.origin is not None and fetched.is_within(scope.origin))


def from_a_server_unless_allowed(case: Case, scope: Scope) -> bool:
    return scope.directories or _lease(case).terms.origin is not None


def deployed_enough(case: Case, scope: Scope) -> bool:
    step = find_step(_lease(case), case.step)
    return not scope.deployments_only or (step is not None and step.kind == "deploy")


def of_a_named_pipeline(case: Case, scope: Scope) -> bool:
    step = find_step(_lease(case), case.step)
    return not scope.pipelines or (step is not None and step.pipeline in scope.pipelines)
