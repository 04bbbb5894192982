"""The table, exhaustively: every row with every set of its conditions broken, and all that has no row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import chain, combinations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.decision import Allowed, Denied
from sealock.core.grant import Role
from sealock.core.lease import LeasedStep
from sealock.core.release import Basis
from sealock.core.scope import Scope, of_a_fetch
from sealock.core.sealed import Kind, SealedName
from sealock.core.source import GitAddress, GitOrigin
from sealock.keeper.conditions import Case
from sealock.keeper.peers import Peer, PeerRole
from sealock.keeper.rules import SCOPE_CONDITIONS, TABLE, may_leave, may_open
from sealock.providers.git.address import parse
from tests.support.keeper_cases import (
    ALLOWED,
    BREAKS,
    CONFIG,
    CREW,
    EPOCH,
    GRANT,
    HOUR,
    LEASE,
    MEMBER,
    NOW,
    ORIGIN,
    RELAY,
    SHARED,
    SSH_KEY,
    STEPS,
    TERMS,
    TOKEN,
    WORKER,
    attempt,
    grant,
    lease,
    session,
)

ROWS = list(TABLE)


def broken(case: Case, reasons: tuple[str, ...]) -> Case:
    for reason in reasons:
        case = BREAKS[reason](case)
    return case


def subsets(reasons: list[str]) -> Iterator[tuple[str, ...]]:
    """All of them where that is quick, else all of one to three."""
    largest = len(reasons) if len(reasons) < 12 else 3
    return chain.from_iterable(combinations(reasons, size) for size in range(1, largest + 1))


def test_every_row_has_a_case_and_every_condition_a_change() -> None:
    assert set(ALLOWED) == set(ROWS)
    assert set(BREAKS) == {reason for row in TABLE.values() for reason in row}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_a_row_allows_when_all_its_conditions_hold(row: tuple[Basis, Kind]) -> None:
    assert may_open(ALLOWED[row]) == Allowed()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_each_condition_matters_alone(row: tuple[Basis, Kind]) -> None:
    for reason in TABLE[row]:
        case = BREAKS[reason](ALLOWED[row])
        assert may_open(case) == Denied(reason)
        assert [why for why, holds in TABLE[row].items() if not holds(case)] == [reason]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_a_row_denies_whatever_set_of_its_conditions_is_broken(row: tuple[Basis, Kind]) -> None:
    assert not any(may_open(broken(ALLOWED[row], reasons)) for reasons in subsets(list(TABLE[row])))


def test_what_has_no_row_is_never_opened() -> None:
    everything = replace(ALLOWED[Basis.GRANT, Kind.LOG_KEY], lease=LEASE, session=MEMBER, grant=GRANT)
    for kind in Kind:
        for has_lease, has_session, has_grant in product([True, False], repeat=3):
            case = replace(
                everything,
                what=replace(TOKEN, kind=kind),
                lease=LEASE if has_lease else None,
                session=CREW if has_session else None,
                grant=GRANT if has_grant else None,
            )
            if case.basis is None or (case.basis, kind) not in TABLE:
                assert not may_open(case)


def test_nothing_opens_a_token_nor_a_secret_for_a_person() -> None:
    rows = set(TABLE)
    assert not [row for row in rows if row[1] is Kind.TOKEN]
    assert {kind for basis, kind in rows if basis is not Basis.LEASE} == {Kind.LOG_KEY, Kind.ARTIFACT_KEY}


@pytest.mark.parametrize(
    "change",
    [
        lease(issued_at=NOW + 1),
        lease(id="2" * 32),
        attempt(number=1),
        attempt(lease="2" * 32),
        lambda case: replace(case, attempt=None),
        lambda case: replace(case, peer=Peer("worker-1", frozenset())),
        lambda case: replace(case, peer=Peer("worker-1", frozenset({PeerRole.OPERATOR}))),
        lambda case: replace(case, epoch=EPOCH + 1),
        lambda case: replace(case, what=replace(SSH_KEY, version=2)),
        lambda case: replace(case, what=replace(SSH_KEY, account="other")),
        lambda case: replace(case, what=replace(SSH_KEY, project=None)),
        attempt(step="setup"),
    ],
)
def test_other_ways_to_have_no_right_to_the_fetchs_key(change: object) -> None:
    assert not may_open(change(ALLOWED[Basis.LEASE, Kind.SSH_KEY]))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("what", "step", "latest", "allowed"),
    [
        (TOKEN, "test:unit", "", True),
        (TOKEN, "test:unit", "setup", True),
        (TOKEN, "test:unit", "test:unit", True),
        (TOKEN, "test:unit", "deploy:live", False),
        (TOKEN, "deploy:live", "test:unit", True),
        (SHARED, "test:unit", "", True),
        (SHARED, "deploy:live", "", False),
        (TOKEN, "setup", "", False),
        (TOKEN, "", "", False),
        (TOKEN, "test:other", "", False),
        (TOKEN, "test:unit", "no-such-step", False),
        (replace(TOKEN, version=1), "test:unit", "", False),
    ],
)
def test_a_step_gets_what_the_plan_gives_it_until_a_later_one_began(
    what: SealedName, step: str, latest: str, allowed: bool
) -> None:
    case = attempt(step=latest)(replace(ALLOWED[Basis.LEASE, Kind.VARIABLE], what=what, step=step))
    assert bool(may_open(case)) is allowed


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        (session(expires_at=NOW + 0.001), True),
        (session(expires_at=NOW + 12 * HOUR), True),
        (session(expires_at=NOW + 12 * HOUR + 1), False),
        (session(role=Role.OWNER), True),
        (session(role=Role.CREW), False),
        (session(role=Role.OPERATOR), False),
        (session(role=Role.GUEST), False),
        (session(account=""), False),
    ],
)
def test_a_member_reads_their_own_account_while_signed_in(change: object, allowed: bool) -> None:
    assert bool(may_open(change(ALLOWED[Basis.MEMBER, Kind.LOG_KEY]))) is allowed  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        (grant(names=()), True),
        (grant(expires_at=NOW - HOUR + 7 * 24 * HOUR), True),
        (grant(expires_at=NOW - HOUR + 7 * 24 * HOUR + 1), False),
        (grant(begins_at=NOW + 1), False),
        (grant(people=()), False),
        (grant(projects=()), False),
        (grant(kinds=()), False),
        (lambda case: replace(case, what=replace(case.what, project=None)), False),
        (lambda case: replace(case, core_team=frozenset()), False),
        (lambda case: replace(case, session=replace(MEMBER, account="other")), False),
        (session(role=Role.OWNER, account="team"), False),
        (session(account="team"), False),
    ],
)
def test_crew_reads_within_the_grant(change: object, allowed: bool) -> None:
    assert bool(may_open(change(ALLOWED[Basis.GRANT, Kind.LOG_KEY]))) is allowed  # type: ignore[operator]


OTHER_ADDRESS = GitAddress("git", "git.example", 22, "team/other.git")
OTHER_KEY = "ssh-ed25519 AAAC"
ORIGINS: dict[str, tuple[GitOrigin | None, bool]] = {
    "the same": (ORIGIN, True),
    "the same with fewer keys": (replace(ORIGIN, host_keys=ORIGIN.host_keys[:1]), True),
    "the same with its keys in another order": (replace(ORIGIN, host_keys=ORIGIN.host_keys[::-1]), True),
    "another address": (replace(ORIGIN, address=OTHER_ADDRESS), False),
    "the same without a key": (replace(ORIGIN, host_keys=()), False),
    "another key": (replace(ORIGIN, host_keys=(OTHER_KEY,)), False),
    "one more key": (replace(ORIGIN, host_keys=(*ORIGIN.host_keys, OTHER_KEY)), False),
    "a directory": (None, False),
}
"""What a worker fetches, and whether what is set for `ORIGIN` is for that."""


BOTH = [True, False]
SCOPES = [
    Scope(*parts) for parts in product(((), ("unit",), ("unit", "live")), BOTH, BOTH, (ORIGIN, None), BOTH)
]


@pytest.mark.parametrize("origin", list(ORIGINS))
@pytest.mark.parametrize("kind", ["setup", "test", "deploy"])
@pytest.mark.parametrize("pipeline", ["", "unit", "live"])
def test_scopes_exhaustively(kind: str, pipeline: str, origin: str) -> None:
    """A step of each kind and pipeline, of each branch, against each scope."""
    steps = (LeasedStep("it", kind, pipeline, (TOKEN,)),)
    fetched, ours = ORIGINS[origin]
    branches = product(BOTH, BOTH, ("main", None), ("main", "topic", None))
    for (protected, fork, branch, found_on), scope in product(branches, SCOPES):
        terms = replace(
            TERMS,
            protected=protected,
            fork=fork,
            branch=branch,
            found_on=found_on,
            steps=steps,
            origin=fetched,
        )
        case = replace(ALLOWED[Basis.LEASE, Kind.VARIABLE], step="it", lease=replace(LEASE, terms=terms))
        of_it = scope.directories if fetched is None else ours and scope.origin is not None
        expected = (
            of_it
            and (not scope.protected_only or (protected and not fork and branch == found_on == "main"))
            and (not scope.deployments_only or kind == "deploy")
            and (scope.pipelines == () or pipeline in scope.pipelines)
        )
        assert bool(may_leave(case, scope)) is expected, (terms, scope)


ANOTHER = "it is set for another repository: set it again if the project builds this one"


@pytest.mark.parametrize(
    ("changed", "spelled"),
    [
        ({"user": "hg"}, "hg@git.example:team/parser.git"),
        ({"host": "git.example.org"}, "git@git.example.org:team/parser.git"),
        ({"host": "GIT.example"}, None),
        ({"port": 2222}, "ssh://git@git.example:2222/~/team/parser.git"),
        ({"path": "/team/parser.git"}, "ssh://git@git.example/team/parser.git"),
        ({"path": "team/parser"}, "git@git.example:team/parser"),
        ({"path": "team/Parser.git"}, "git@git.example:team/Parser.git"),
        ({"path": "team/parser.git/"}, None),
        ({"path": "~/team/parser.git"}, None),
        ({"path": "team/../team/parser.git"}, None),
    ],
)
def test_any_part_of_an_address_makes_another_repository_of_it(
    changed: dict[str, Any], spelled: str | None
) -> None:
    """spelled: as somebody would write it; None for what only somebody who makes up records would."""
    address = replace(ORIGIN.address, **changed)
    assert spelled is None or parse(spelled) == address
    for case in (ALLOWED[Basis.LEASE, Kind.SSH_KEY], ALLOWED[Basis.LEASE, Kind.VARIABLE]):
        assert case.lease is not None
        terms = replace(case.lease.terms, origin=GitOrigin(address, ORIGIN.host_keys))
        other = replace(case, lease=replace(case.lease, terms=terms))
        assert may_leave(other, of_a_fetch(ORIGIN)) == Denied(ANOTHER)
        assert may_leave(case, of_a_fetch(ORIGIN)) == Allowed()


@pytest.mark.parametrize(
    "spelled",
    [
        "git@git.example:team/parser.git",
        "git@GIT.Example:team/parser.git",
        "git@git.example:team/parser.git/",
        "git.example:team/parser.git",
        "git@git.example:~/team/parser.git",
        "ssh://git@git.example/~/team/parser.git",
        "ssh://git.example:22/~/team/parser.git/",
    ],
)
def test_one_repository_is_the_same_however_it_was_written(spelled: str) -> None:
    assert parse(spelled) == ORIGIN.address


def test_what_is_set_for_no_repository_is_for_none() -> None:
    case = ALLOWED[Basis.LEASE, Kind.VARIABLE]
    assert may_leave(case, Scope(protected_only=False)) == Denied(ANOTHER)
    assert may_leave(case, Scope(protected_only=False, directories=True)) == Denied(ANOTHER)


def test_a_scope_is_where_it_belongs_and_nowhere_else() -> None:
    for row, case in ALLOWED.items():
        scoped = row[1] in {Kind.VARIABLE, Kind.FILE, Kind.SSH_KEY}
        assert bool(may_leave(case, None)) is not scoped
        assert bool(may_leave(case, Scope(origin=ORIGIN))) is scoped
    assert len(SCOPE_CONDITIONS) == 6


OUTSIDERS = st.sampled_from([role for role in Role if role not in {Role.OWNER, Role.MEMBER}])
TIMES = st.sampled_from([NOW - 30 * 24 * HOUR, NOW - HOUR, NOW, NOW + HOUR, NOW + 30 * 24 * HOUR])
ACCOUNTS = st.sampled_from(["team", "other", ""])
PEOPLE = st.sampled_from(["ada", "crew-1", "crew-2"])
EPOCHS = st.sampled_from([EPOCH - 1, EPOCH, EPOCH + 1])
SESSIONS = st.builds(
    replace,
    st.sampled_from([MEMBER, CREW]),
    person=PEOPLE,
    account=ACCOUNTS,
    role=st.sampled_from(Role),
    second_factor=st.booleans(),
    epoch=EPOCHS,
    expires_at=TIMES,
)
GRANTS = st.builds(
    replace,
    st.just(GRANT),
    account=ACCOUNTS,
    projects=st.sampled_from([(), ("parser",), ("other",)]),
    kinds=st.lists(st.sampled_from(Kind), max_size=6).map(tuple),
    names=st.sampled_from([(), ("b1",), ("b2",)]),
    people=st.lists(PEOPLE, max_size=3).map(tuple),
    epoch=EPOCHS,
    begins_at=TIMES,
    expires_at=TIMES,
)
ANYTHING = st.builds(
    Case,
    what=st.builds(
        SealedName,
        st.sampled_from(["team", "other"]),
        st.sampled_from(["parser", "other", None]),
        st.sampled_from(Kind),
        st.sampled_from(["b1", "b2", "TOKEN", "ssh-key"]),
        st.sampled_from([1, 2]),
    ),
    peer=st.sampled_from([WORKER, RELAY, Peer("op", frozenset({PeerRole.OPERATOR}))]),
    now=st.just(NOW),
    epoch=st.just(EPOCH),
    step=st.sampled_from(["", *(step.name for step in STEPS)]),
    lease=st.none() | st.just(LEASE),
    session=st.none() | SESSIONS,
    grant=st.none() | GRANTS,
    attempt=st.just(ALLOWED[Basis.LEASE, Kind.SSH_KEY].attempt),
    revoked=st.booleans(),
    core_team=st.sets(PEOPLE).map(frozenset),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Something the rules allow, with a few of its parts exchanged for anything."""
    other = draw(ANYTHING)
    parts = draw(st.sets(st.sampled_from([part.name for part in fields(Case)]), max_size=4))
    allowed = draw(st.sampled_from(list(ALLOWED.values())))
    return replace(allowed, **{part: getattr(other, part) for part in parts})


@given(cases())
@settings(max_examples=400, deadline=None)
def test_no_role_that_is_no_member_opens_content_without_a_live_grant(case: Case) -> None:
    """P10, in words of its own rather than the table's."""
    if not may_open(case) or case.lease is not None:
        return
    signed_in, granted = case.session, case.grant
    assert signed_in is not None
    assert case.what.kind in {Kind.LOG_KEY, Kind.ARTIFACT_KEY}
    assert signed_in.expires_at > NOW
    if granted is None:
        assert signed_in.role in {Role.OWNER, Role.MEMBER}
        assert signed_in.account == case.what.account
    else:
        assert signed_in.role is Role.CREW
        assert signed_in.second_factor
        assert signed_in.person in case.core_team & set(granted.people)
        assert granted.account == case.what.account
        assert granted.begins_at <= NOW < granted.expires_at
        assert granted.epoch == EPOCH
        assert not case.revoked


@given(cases(), OUTSIDERS)
@settings(max_examples=200, deadline=None)
def test_whatever_else_is_true_an_outsider_without_a_grant_opens_nothing(case: Case, role: Role) -> None:
    signed_in = replace(case.session or MEMBER, role=role)
    assert not may_open(replace(case, lease=None, session=signed_in, grant=None))


@given(cases())
@settings(max_examples=200, deadline=None)
def test_secrets_are_opened_for_leases_alone(case: Case) -> None:
    if case.what.kind not in {Kind.LOG_KEY, Kind.ARTIFACT_KEY} and may_open(case):
        assert case.basis is Basis.LEASE
        assert case.what in {SSH_KEY, TOKEN, CONFIG, SHARED}
