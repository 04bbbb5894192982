"""Takes requests that came from known peers, decides, writes down, hands out.

An opening goes: decide by the rules; open; decide by the scope that was sealed with the value; seal it
again to the asker's key and forget it; decide once more and write it into the ledger, in one go, so that
two requests cannot both be the first; only then let it leave. Work on the back end goes on beside other
requests; what depends on the ledger is done one at a time. What is done to keys is for `keeper.care`, which
workers are known for `keeper.roll`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealock import __version__
from sealock.core.decision import Decision, Denied
from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.lease import Lease
from sealock.core.release import Entry, Fact, GrantRevoked, LeaseEnded
from sealock.core.scope import disclose
from sealock.core.sealed import Kind, RetiredKey, Sealed
from sealock.core.secret import Secret
from sealock.keeper import protocol, roll, worker_messages
from sealock.keeper.admission import Proposal, may, may_care, may_lease, may_with_workers, terms_of
from sealock.keeper.conditions import Case
from sealock.keeper.desk_parts import DeskParts
from sealock.keeper.facts import issued, key_of, listed, released
from sealock.keeper.history import History
from sealock.keeper.key_messages import KeyRequest, cannot
from sealock.keeper.peers import Peer, PeerRole
from sealock.keeper.rules import SCOPED, may_leave, may_open
from sealock.keeper.sealing import seal_to
from sealock.keeper.statements import NotSigned, read_grant, read_lease, read_request, read_session, sign

HOW_A_KEY = "; `sealock project reset-key` makes another"
"""What to do about a project's key that is not sealed as keys are now."""

MOST_NAMED = 10
"""Things of one request that the log names."""


class _No(Exception):
    """Refused; the text is for the keeper's log alone."""


class _LedgerFails(Exception):
    """What was allowed could not be written down."""


class Desk:
    """Answers requests. Its methods may be called from several threads."""

    def __init__(self, parts: DeskParts) -> None:
        """Read the ledger. PermanentError if it is not the one this keeper wrote."""
        self._parts = parts
        self._public = parts.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._history = History()
        self._turn = Lock()
        for entry in parts.ledger.entries():
            parts.epoch.not_before(entry)
            self._history.note(entry)
        parts.epoch.check_head(parts.ledger.last)

    def answer(self, peer: Peer, request: protocol.Request) -> protocol.Reply:
        """The reply. Never raises for what a peer asked: what goes wrong is logged under a reference."""
        try:
            return self._do(peer, request)
        except RetiredKey:
            return protocol.Retired()
        except (_LedgerFails, TemporaryError) as error:
            return protocol.Away(reference=self._note("away", peer, request, _told(error)))
        except (_No, NotSigned, PermanentError) as error:
            return self.refuse(peer, request, _told(error))
        except Exception as error:  # whatever it is: its text could show what was opened
            return protocol.Away(reference=self._note("fault", peer, request, type(error).__name__))

    def refuse(self, peer: Peer, request: protocol.Request, why: str) -> protocol.No:
        """The reply to what is refused, with its line in the log."""
        return protocol.No(reference=self._note("refused", peer, request, why))

    def keep(self) -> None:
        """Note time and the ledger's end, every few seconds and at the end. PermanentError if the disk
        does not take it."""
        with self._turn:
            self._parts.epoch.keep(self._parts.ledger.last)

    def _do(self, peer: Peer, request: protocol.Request) -> protocol.Reply:
        if isinstance(request, KeyRequest):
            return self._care(peer, request)
        if isinstance(request, worker_messages.WorkerRequest):
            return self._about_workers(peer, request)
        return self._about_releases(peer, request)

    def _about_releases(self, peer: Peer, request: protocol.ReleaseRequest) -> protocol.Reply:
        reply: protocol.Reply
        match request:
            case protocol.Open():
                reply = self._open(peer, request)
            case protocol.Issue():
                reply = self._issue(peer, request)
            case protocol.End():
                reply = self._end(peer, request)
            case protocol.Revoke():
                reply = self._revoke(peer, request)
            case protocol.EndAll():
                reply = self._end_all(peer)
            case protocol.AskStatus():
                reply = self._status(peer)
            case protocol.AskExposures():
                reply = self._exposures(peer, request)
            case protocol.AskPublicKey():
                reply = self._public_key(peer, request)
        return reply

    def _care(self, peer: Peer, request: KeyRequest) -> protocol.Reply:
        """What operators ask about keys; they are told what goes wrong."""
        _must(may_care(peer, request))
        try:
            return self._parts.care.answer(request, peer.name, self._write_now)
        except SealockError as error:
            self._note("cannot", peer, request, _told(error))
            return cannot(error)

    def _about_workers(self, peer: Peer, request: worker_messages.WorkerRequest) -> protocol.Reply:
        """Which workers there are. Operators are told what goes wrong."""
        _must(may_with_workers(peer, request))
        now = self._parts.epoch.now()
        with self._turn:
            try:
                return roll.answer(self._history, request, peer.name, now, self._enroll)
            except UsageError as error:
                return cannot(error)

    def _enroll(self, facts: Sequence[Fact]) -> None:
        """A ledger that was cut would bring back who was removed: note at once how far it has come."""
        if facts:
            self._write(facts, self._parts.epoch.now())
            self._parts.epoch.keep(self._parts.ledger.last)

    def _issue(self, peer: Peer, request: protocol.Issue) -> protocol.Issued:
        parts, history = self._parts, self._history
        asked = read_request(request.asked)
        terms = terms_of(asked, request.stated)
        _try_key(asked.key)
        with self._turn:
            worker, now = history.worker_with(asked.worker), parts.epoch.now()
            if worker is None:
                raise _No("the keeper knows no worker of the key that signed this")
            _must(may_lease(Proposal(terms, peer, history.attempt(terms.build), asked.at, now)))
            ends = now + terms.lifetime
            lease = Lease(secrets.token_hex(16), terms, worker.name, asked.key, parts.epoch.number, now, ends)
            signed = protocol.Issued(lease=sign(lease, parts.key))
            self._write([issued(lease, peer.name)], now)
        return signed

    def _open(self, peer: Peer, request: protocol.Open) -> protocol.Handed:
        asked = self._asked(peer, request)
        self._allowed(asked)
        resealed = [
            self._reseal(case, sealed, request.nonce)
            for case, sealed in zip(asked, request.sealed, strict=True)
        ]
        with self._turn:
            cases = self._allowed(asked)
            entries = self._write([released(case) for case in cases], cases[0].now)
        return protocol.Handed(
            values=tuple(
                protocol.HandedValue(sealed=sealed, entry=entry.sequence, digest=entry.digest)
                for sealed, entry in zip(resealed, entries, strict=True)
            )
        )

    def _allowed(self, asked: Sequence[Case]) -> list[Case]:
        """The cases as they are now, all of them allowed."""
        cases = [self._current(case) for case in asked]
        for case in cases:
            _must(may_open(case))
        return cases

    def _asked(self, peer: Peer, request: protocol.Open) -> list[Case]:
        """The cases without what changes: the time and what the ledger says. NotSigned."""
        if len({sealed.name for sealed in request.sealed}) != len(request.sealed):
            raise _No("one thing is asked for twice")
        known = self._parts.authorities
        lease, session, grant = request.lease, request.session, request.grant
        shown = Case(
            what=request.sealed[0].name,
            peer=peer,
            now=0.0,
            epoch=0,
            step=request.step,
            lease=None if lease is None else read_lease(lease, (self._public,)),
            session=None if session is None else read_session(session, known.sessions),
            grant=None if grant is None else read_grant(grant, known.accounts),
            core_team=known.core_team,
        )
        return [replace(shown, what=sealed.name) for sealed in request.sealed]

    def _current(self, case: Case) -> Case:
        history, epoch = self._history, self._parts.epoch
        return replace(
            case,
            now=epoch.now(),
            epoch=epoch.number,
            attempt=history.attempt(case.lease.terms.build) if case.lease else None,
            revoked=case.grant is not None and history.is_revoked(case.grant.id),
        )

    def _reseal(self, case: Case, sealed: Sealed, nonce: bytes) -> bytes:
        """Open, decide by the scope, seal to the asker's key. Nothing opened outlives this call."""
        bound_to = protocol.binding(nonce, case.what)
        with self._parts.unsealer.open(sealed) as opened:
            if case.what.kind not in SCOPED:
                _must(may_leave(case, None))
                return seal_to(key_of(case), bound_to, opened)
            try:
                scope, value = disclose(opened)
            except ValueError as error:
                raise _No(f"{error}{HOW_A_KEY if case.what.kind is Kind.SSH_KEY else ''}") from None
        with value:
            _must(may_leave(case, scope))
            return seal_to(key_of(case), bound_to, value)

    def _end(self, peer: Peer, request: protocol.End) -> protocol.Done:
        lease = read_lease(request.lease, (self._public,))
        _must(may(peer, PeerRole.SCHEDULER, PeerRole.WORKER))
        with self._turn:
            latest = self._history.attempt(lease.terms.build)
            if latest is not None and latest.lease == lease.id and not latest.ended:
                fact = LeaseEnded(lease.terms.build, lease.terms.attempt, peer.name)
                self._write([fact], self._parts.epoch.now())
        return protocol.Done()

    def _revoke(self, peer: Peer, request: protocol.Revoke) -> protocol.Done:
        _must(may(peer, PeerRole.RELAY, PeerRole.OPERATOR))
        with self._turn:
            if not self._history.is_revoked(request.grant):
                self._write([GrantRevoked(request.grant, peer.name)], self._parts.epoch.now())
        return protocol.Done()

    def _end_all(self, peer: Peer) -> protocol.Done:
        _must(may(peer, PeerRole.OPERATOR))
        with self._turn:
            number = self._parts.epoch.advance()
        self._parts.log(f"epoch {number} begun by {peer.name}")
        return protocol.Done()

    def _status(self, peer: Peer) -> protocol.Told:
        parts = self._parts
        return protocol.Told(
            version=__version__,
            epoch=parts.epoch.number,
            now=parts.epoch.now(),
            entries=parts.ledger.last.sequence if parts.ledger.last else 0,
            achieved=parts.achieved,
            directory=parts.directory,
            peer=peer.name,
        )

    def _exposures(self, peer: Peer, request: protocol.AskExposures) -> protocol.Listed:
        _must(may(peer, PeerRole.RELAY, PeerRole.OPERATOR, PeerRole.SCHEDULER))
        entries = self._parts.ledger.entries()
        return protocol.Listed(releases=tuple(listed(entries, request.builds)))

    def _public_key(self, peer: Peer, request: protocol.AskPublicKey) -> protocol.Public:
        """So that who seals need not be able to make key sets, which takes the key-encryption key."""
        _must(may(peer, PeerRole.RELAY, PeerRole.OPERATOR, PeerRole.SCHEDULER))
        return protocol.Public(key=self._parts.public_keys.public_key(request.owner))

    def _write_now(self, facts: Sequence[Fact]) -> None:
        with self._turn:
            self._write(facts, self._parts.epoch.now())

    def _write(self, facts: Sequence[Fact], at: float) -> list[Entry]:
        """Into the ledger; nothing follows from what is not there. Call it in turn."""
        try:
            entries = self._parts.ledger.append(facts, at)
        except PermanentError as error:
            raise _LedgerFails(_told(error)) from error
        for entry in entries:
            self._history.note(entry)
        return entries

    def _note(self, what: str, peer: Peer, request: protocol.Request, why: str) -> str:
        reference = secrets.token_hex(8)
        self._parts.log(
            f"{what} reference={reference} peer={peer.name} asked={_named(request)!r} why={why!r}"
        )
        return reference


def _named(request: protocol.Request) -> str:
    if isinstance(request, protocol.Open):
        return ", ".join(str(sealed.name) for sealed in request.sealed[:MOST_NAMED])
    return request.op


def _must(decision: Decision) -> None:
    if isinstance(decision, Denied):
        raise _No(decision.reason)


def _told(error: Exception) -> str:
    if isinstance(error, SealockError):
        return f"{error.brief}: {error.details}" if error.details else error.brief
    return str(error)


def _try_key(key: bytes) -> None:
    """Some 32 bytes are no key one can seal to: better said now than when a build waits."""
    seal_to(key, b"trial", Secret(b"trial"))
