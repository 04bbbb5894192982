"""When something sealed may be opened: one table, data in, a decision out.

A row says on what basis which kind of thing may be opened, and every condition that must hold. What has no
row is never opened. Whatever comes in was checked before for being what it says (signatures, the peer's
identity); whether it suffices is decided here and nowhere else. Reasons go to the keeper's log, not to who
asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sealock.core.decision import Allowed, Decision, Denied
from sealock.core.release import Basis
from sealock.core.scope import Scope
from sealock.core.sealed import Kind
from sealock.keeper import conditions
from sealock.keeper.conditions import Case

Condition = Callable[[Case], bool]
ScopeCondition = Callable[[Case, Scope], bool]


def may_open(case: Case) -> Decision:
    """Whether this may be opened."""
    basis = case.basis
    if basis is None:
        return Denied("what was shown is no reason to open anything")
    row = TABLE.get((basis, case.what.kind))
    if not row:
        return Denied(f"no rule opens a {case.what.kind} for a {basis}")
    return _first_that_fails((why, holds(case)) for why, holds in row.items())


def may_leave(case: Case, scope: Scope | None) -> Decision:
    """Whether what `may_open` allowed may leave, now that the scope sealed with it is known. None: this
    kind of value has none."""
    if (case.what.kind in SCOPED) != (scope is not None):
        return Denied("it is not sealed as its kind is")
    if scope is None:
        return Allowed()
    return _first_that_fails((why, holds(case, scope)) for why, holds in SCOPE_CONDITIONS.items())


def _first_that_fails(results: Iterable[tuple[str, bool]]) -> Decision:
    for why, holds in results:
        if not holds:
            return Denied(why)
    return Allowed()


_LEASED: Mapping[str, Condition] = {
    "the peer carries nothing for workers": conditions.carried_for_a_worker,
    "the lease is of an earlier epoch": conditions.lease_of_this_epoch,
    "the lease has run out": conditions.lease_lives,
    "the lease is not the one of the build's latest attempt": conditions.latest_attempt,
    "the lease was ended, or its worker removed": conditions.not_ended,
    "it belongs to another project": conditions.its_own_project,
}

_FETCH: Mapping[str, Condition] = {
    **_LEASED,
    "it is not the key of this build's fetch": conditions.the_key_of_the_fetch,
    "a step does not get the key of the fetch": conditions.for_no_step,
    "the key was released for this attempt already, or its steps began": conditions.once_and_before_any_step,
}

_STEP: Mapping[str, Condition] = {
    **_LEASED,
    "the plan does not give it to that step": conditions.for_a_step_that_names_it,
    "a later step has begun": conditions.for_no_earlier_step,
}

_PERSON: Mapping[str, Condition] = {
    "the peer does not speak for people": conditions.carried_by_a_relay,
    "the session is of an earlier epoch": conditions.session_of_this_epoch,
    "the session has run out, or would last too long": conditions.session_lives,
    "people are given nothing for a step": conditions.for_no_step,
}

_MEMBER: Mapping[str, Condition] = {
    **_PERSON,
    "it belongs to another account": conditions.of_the_persons_account,
    "that role has no way to content": conditions.a_role_with_content,
}

_CREW: Mapping[str, Condition] = {
    **_PERSON,
    "a grant is for crew alone": conditions.crew_of_no_account,
    "no second factor was shown": conditions.second_factor,
    "that person is not of the core team": conditions.in_the_core_team,
    "the grant is another account's": conditions.grant_of_the_things_account,
    "the grant is of an earlier epoch": conditions.grant_of_this_epoch,
    "the grant has not begun, or has run out": conditions.grant_lives,
    "the grant would last too long": conditions.grant_is_short,
    "the grant was revoked": conditions.not_revoked,
    "the grant is made out to somebody else": conditions.granted_to_this_person,
    "the grant is not for that project": conditions.granted_project,
    "the grant is not for that kind of content": conditions.granted_kind,
    "the grant is not for that build": conditions.granted_name,
}

TABLE: Mapping[tuple[Basis, Kind], Mapping[str, Condition]] = {
    (Basis.LEASE, Kind.SSH_KEY): _FETCH,
    (Basis.LEASE, Kind.VARIABLE): _STEP,
    (Basis.LEASE, Kind.FILE): _STEP,
    (Basis.MEMBER, Kind.LOG_KEY): _MEMBER,
    (Basis.MEMBER, Kind.ARTIFACT_KEY): _MEMBER,
    (Basis.GRANT, Kind.LOG_KEY): _CREW,
    (Basis.GRANT, Kind.ARTIFACT_KEY): _CREW,
}
"""Everything that is ever opened. Each condition stands with the reason it gives when it does not hold."""

OF_STEPS = frozenset({Kind.VARIABLE, Kind.FILE})
"""Kinds that steps are given."""

SCOPED = OF_STEPS | {Kind.SSH_KEY}
"""Kinds whose values are sealed with a scope."""

SCOPE_CONDITIONS: Mapping[str, ScopeCondition] = {
    "it is set for another repository: set it again if the project builds this one": (
        conditions.from_its_repository
    ),
    "it is not for builds of a directory": conditions.from_a_server_unless_allowed,
    "it is for protected branches, not for others and not for forks": conditions.protected_enough,
    "it is for protected branches, and its worker did not find the commit on that one": (
        conditions.found_on_its_branch
    ),
    "it is for deployments": conditions.deployed_enough,
    "it is for other pipelines": conditions.of_a_named_pipeline,
}
