"""Cases the keeper's rules allow, and for each condition a change after which it alone does not hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sealock.core.grant import Grant, Role, Session
from sealock.core.lease import Lease, LeasedStep, Terms
from sealock.core.release import Basis
from sealock.core.sealed import Kind, SealedName
from sealock.core.source import GitAddress, GitOrigin
from sealock.keeper.conditions import Case
from sealock.keeper.history import Attempt
from sealock.keeper.peers import Peer, PeerRole

NOW = 1_000_000.0
EPOCH = 3
KEY = bytes(range(32))
HOUR = 3600.0

SSH_KEY = SealedName("team", "parser", Kind.SSH_KEY, "ssh-key", 1)
TOKEN = SealedName("team", "parser", Kind.VARIABLE, "TOKEN", 2)
CONFIG = SealedName("team", "parser", Kind.FILE, "config", 1)
SHARED = SealedName("team", None, Kind.VARIABLE, "SHARED", 1)
LOG_KEY = SealedName("team", "parser", Kind.LOG_KEY, "b1", 1)
ARTIFACT_KEY = SealedName("team", "parser", Kind.ARTIFACT_KEY, "b1", 1)

ORIGIN = GitOrigin(
    GitAddress("git", "git.example", 22, "team/parser.git"), ("ssh-ed25519 AAAA", "ssh-rsa AAAB")
)

STEPS = (
    LeasedStep("setup", "setup", ""),
    LeasedStep("test:unit", "test", "unit", (TOKEN, CONFIG, SHARED)),
    LeasedStep("deploy:live", "deploy", "live", (TOKEN,)),
)
TERMS = Terms(
    build="b1",
    attempt=2,
    account="team",
    project="parser",
    plan_digest="sha256:0",
    origin=ORIGIN,
    found_on="main",
    ssh_key=SSH_KEY,
    steps=STEPS,
    branch="main",
    protected=True,
    fork=False,
    lifetime=HOUR,
)
LEASE = Lease("1" * 32, TERMS, "worker-1", KEY, EPOCH, NOW - 10, NOW + HOUR)
WORKER = Peer("worker-1", frozenset({PeerRole.WORKER}))
RELAY = Peer("web", frozenset({PeerRole.RELAY}))
OPERATOR = Peer("operator", frozenset({PeerRole.OPERATOR, PeerRole.SCHEDULER}))
MEMBER = Session("s1", "ada", "team", Role.MEMBER, False, KEY, EPOCH, NOW + HOUR)
CREW = Session("s2", "crew-1", "", Role.CREW, True, KEY, EPOCH, NOW + HOUR)
GRANT = Grant(
    id="g1",
    account="team",
    projects=("parser",),
    kinds=(Kind.LOG_KEY, Kind.ARTIFACT_KEY),
    names=("b1",),
    people=("crew-1",),
    epoch=EPOCH,
    begins_at=NOW - HOUR,
    expires_at=NOW + HOUR,
    reason="the build hangs",
)

_LEASED = Case(SSH_KEY, WORKER, NOW, EPOCH, lease=LEASE, attempt=Attempt(2, LEASE.id))
_MEMBERS = Case(LOG_KEY, RELAY, NOW, EPOCH, session=MEMBER)
_CREWS = Case(LOG_KEY, RELAY, NOW, EPOCH, session=CREW, grant=GRANT, core_team=frozenset({"crew-1"}))

ALLOWED: Mapping[tuple[Basis, Kind], Case] = {
    (Basis.LEASE, Kind.SSH_KEY): _LEASED,
    (Basis.LEASE, Kind.VARIABLE): replace(_LEASED, what=TOKEN, step="test:unit"),
    (Basis.LEASE, Kind.FILE): replace(_LEASED, what=CONFIG, step="test:unit"),
    (Basis.MEMBER, Kind.LOG_KEY): _MEMBERS,
    (Basis.MEMBER, Kind.ARTIFACT_KEY): replace(_MEMBERS, what=ARTIFACT_KEY),
    (Basis.GRANT, Kind.LOG_KEY): _CREWS,
    (Basis.GRANT, Kind.ARTIFACT_KEY): replace(_CREWS, what=ARTIFACT_KEY),
}

Change = Callable[[Case], Case]


def lease(**changes: Any) -> Change:
    def change(case: Case) -> Case:
        assert case.lease is not None
        return replace(case, lease=replace(case.lease, **changes))

    return change


def attempt(**changes: Any) -> Change:
    def change(case: Case) -> Case:
        assert case.attempt is not None
        return replace(case, attempt=replace(case.attempt, **changes))

    return change


def session(**changes: Any) -> Change:
    def change(case: Case) -> Case:
        assert case.session is not None
        return replace(case, session=replace(case.session, **changes))

    return change


def grant(**changes: Any) -> Change:
    def change(case: Case) -> Case:
        assert case.grant is not None
        return replace(case, grant=replace(case.grant, **changes))

    return change


def _terms(case: Case, **changes: Any) -> Case:
    assert case.lease is not None
    return replace(case, lease=replace(case.lease, terms=replace(case.lease.terms, **changes)))


def _no_step_names_it(case: Case) -> Case:
    return _terms(case, steps=tuple(replace(step, secrets=()) for step in STEPS))


BREAKS: Mapping[str, Change] = {
    "the peer carries nothing for workers": lambda case: replace(case, peer=OPERATOR),
    "the lease is of an earlier epoch": lease(epoch=EPOCH - 1),
    "the lease has run out": lease(expires_at=NOW),
    "the lease is not the one of the build's latest attempt": attempt(number=3),
    "the lease was ended, or its worker removed": attempt(ended=True),
    "it belongs to another project": lambda case: _terms(case, project="other"),
    "it is not the key of this build's fetch": lambda case: _terms(case, ssh_key=None),
    "a step does not get the key of the fetch": lambda case: replace(case, step="test:unit"),
    "the key was released for this attempt already, or its steps began": attempt(fetched=True),
    "the plan does not give it to that step": _no_step_names_it,
    "a later step has begun": attempt(step="deploy:live"),
    "the peer does not speak for people": lambda case: replace(case, peer=WORKER),
    "the session is of an earlier epoch": session(epoch=EPOCH - 1),
    "the session has run out, or would last too long": session(expires_at=NOW),
    "people are given nothing for a step": lambda case: replace(case, step="test:unit"),
    "it belongs to another account": session(account="other"),
    "that role has no way to content": session(role=Role.BILLING),
    "a grant is for crew alone": session(role=Role.OPERATOR),
    "no second factor was shown": session(second_factor=False),
    "that person is not of the core team": lambda case: replace(case, core_team=frozenset({"crew-2"})),
    "the grant is another account's": grant(account="other"),
    "the grant is of an earlier epoch": grant(epoch=EPOCH - 1),
    "the grant has not begun, or has run out": grant(expires_at=NOW),
    "the grant would last too long": grant(begins_at=NOW - 400 * 24 * HOUR),
    "the grant was revoked": lambda case: replace(case, revoked=True),
    "the grant is made out to somebody else": grant(people=("crew-2",)),
    "the grant is not for that project": grant(projects=("other",)),
    "the grant is not for that kind of content": grant(kinds=(Kind.VARIABLE,)),
    "the grant is not for that build": grant(names=("b2",)),
}
