"""Who may have a lease made, ended, a grant revoked, the ledger read, workers admitted, something done to
keys: decisions on data, like the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sealock.core.decision import Allowed, Decision, Denied
from sealock.core.lease import LONGEST_LEASE, MOST_SECRETS, MOST_STEPS, LeaseRequest, Stated, Terms
from sealock.core.sealed import Kind, Owner
from sealock.keeper import key_messages as keys
from sealock.keeper import worker_messages as workers
from sealock.keeper.history import Attempt
from sealock.keeper.peers import Peer, PeerRole
from sealock.keeper.rules import OF_STEPS

LONGEST_TEXT = 512
"""Characters of a build's id or a step's name."""

FRESH = 300.0
"""Seconds between what a worker took for the keeper's time when it signed, and that time."""


@dataclass(frozen=True)
class Proposal:
    """Terms somebody wants a lease on. attempt: the latest at that build so far, as the ledger has it.
    asked_at: when its worker signed that it asks, by its own word. now: the keeper's time."""

    terms: Terms
    peer: Peer
    attempt: Attempt | None
    asked_at: float
    now: float


def terms_of(asked: LeaseRequest, stated: Stated) -> Terms:
    """What a lease is to be on: nothing that its worker signed can be stated otherwise."""
    return Terms(
        build=asked.build,
        attempt=asked.attempt,
        account=asked.account,
        project=asked.project,
        plan_digest=asked.plan_digest,
        origin=asked.origin,
        found_on=asked.found_on,
        ssh_key=asked.ssh_key,
        steps=asked.steps,
        branch=stated.branch,
        protected=stated.protected,
        fork=stated.fork,
        lifetime=asked.lifetime,
    )


def may_lease(proposal: Proposal) -> Decision:
    """Whether a lease is made on these terms."""
    for why, holds in CONDITIONS.items():
        if not holds(proposal):
            return Denied(why)
    return Allowed()


def may(peer: Peer, *roles: PeerRole) -> Decision:
    """Whether this peer has one of these roles."""
    if peer.roles & set(roles):
        return Allowed()
    return Denied(f"that is for {' or '.join(roles)}, and {peer.name} is none")


def may_with_workers(peer: Peer, request: workers.WorkerRequest) -> Decision:
    """Whether this peer may ask this about workers. What is not in the table is for nobody."""
    return may(peer, *WORKERS.get(type(request), ()))


def may_care(peer: Peer, request: keys.KeyRequest) -> Decision:
    """Whether this peer may have this done to keys. What is not in the table is for nobody."""
    wanted = CARE.get(type(request))
    if wanted is None:
        return Denied("nobody may do that")
    also = {PeerRole.ERASER} if PeerRole.OPERATOR in peer.roles else set()
    missing = sorted(wanted - peer.roles - also)
    return Denied(f"{peer.name} is not {' and '.join(missing)}") if missing else Allowed()


_OPERATOR = frozenset({PeerRole.OPERATOR})
_CUSTODIAN = frozenset({PeerRole.OPERATOR, PeerRole.CUSTODIAN})

CARE: Mapping[type[keys.KeyRequest], frozenset[PeerRole]] = {
    keys.AskKeys: _OPERATOR,
    keys.AskOwners: _OPERATOR,
    keys.DestroyKeys: frozenset({PeerRole.ERASER}),
    keys.Adopt: _OPERATOR,
    keys.BeginRotation: _OPERATOR,
    keys.Rewrap: _OPERATOR,
    keys.Renew: _OPERATOR,
    keys.Reseal: _OPERATOR,
    keys.DropOld: _OPERATOR,
    keys.EndRotation: _OPERATOR,
    keys.BackUp: _CUSTODIAN,
    keys.Restore: _CUSTODIAN,
    keys.ChangePassphrase: _CUSTODIAN,
}
"""Every role it takes to do something to keys. Whoever takes a backup, or brings one in, under a key of their
own, can have everything that is sealed; so for them it is not enough to be an operator."""


WORKERS: Mapping[type[workers.WorkerRequest], frozenset[PeerRole]] = {
    workers.AskKnown: frozenset({PeerRole.RELAY, PeerRole.SCHEDULER, PeerRole.WORKER, PeerRole.OPERATOR}),
    workers.AskWorkers: _OPERATOR,
    workers.AdmitWorker: _OPERATOR,
    workers.RemoveWorker: _OPERATOR,
}
"""One of these roles it takes. Whether a key is known is no secret; who is on the list is for operators."""


def _scheduled(proposal: Proposal) -> bool:
    return PeerRole.SCHEDULER in proposal.peer.roles


def _fresh(proposal: Proposal) -> bool:
    return abs(proposal.now - proposal.asked_at) <= FRESH


def _newer_attempt(proposal: Proposal) -> bool:
    return proposal.terms.attempt > (proposal.attempt.number if proposal.attempt else 0)


def _lasts_as_a_build(proposal: Proposal) -> bool:
    return 0 < proposal.terms.lifetime <= LONGEST_LEASE


def _can_be_written_down(proposal: Proposal) -> bool:
    terms = proposal.terms
    texts = [terms.build, terms.plan_digest, *(step.name for step in terms.steps)]
    return all(text.isprintable() and len(text) <= LONGEST_TEXT for text in texts) and terms.build != ""


def _steps_have_names(proposal: Proposal) -> bool:
    names = [step.name for step in proposal.terms.steps]
    return "" not in names and len(set(names)) == len(names)


def _within_limits(proposal: Proposal) -> bool:
    steps = proposal.terms.steps
    return len(steps) <= MOST_STEPS and sum(len(step.secrets) for step in steps) <= MOST_SECRETS


def _secrets_of_steps(proposal: Proposal) -> bool:
    terms = proposal.terms
    owners = {Owner(terms.account, terms.project), Owner(terms.account)}
    named = [secret for step in terms.steps for secret in step.secrets]
    return all(secret.kind in OF_STEPS and secret.owner in owners for secret in named)


def _key_of_the_project(proposal: Proposal) -> bool:
    terms, key = proposal.terms, proposal.terms.ssh_key
    return key is None or (key.kind is Kind.SSH_KEY and key.owner == Owner(terms.account, terms.project))


CONDITIONS: Mapping[str, Callable[[Proposal], bool]] = {
    "only whoever schedules has leases made": _scheduled,
    "its worker signed it too long ago, or in the future": _fresh,
    "there was a lease for that attempt or a later one": _newer_attempt,
    "a lease lasts as long as a build, not longer": _lasts_as_a_build,
    "its names and ids are short and can be printed": _can_be_written_down,
    "steps have names, each its own": _steps_have_names,
    "there are too many steps or secrets": _within_limits,
    "a step's secrets are variables and files of its project or account": _secrets_of_steps,
    "the fetch's key is the project's own": _key_of_the_project,
}
