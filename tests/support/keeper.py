"""A keeper for tests: everything real but the clock, over files in a directory of the test's own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.lease import LeasedStep, Stated, Terms
from sealock.core.scope import Scope, enclose, of_a_fetch
from sealock.core.sealed import Kind, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.core.source import GitAddress, GitOrigin
from sealock.keeper import protocol, sealing
from sealock.keeper.authorities import Authorities
from sealock.keeper.backends.file import FileBackend
from sealock.keeper.backends.port import Backends
from sealock.keeper.care import KeyCare
from sealock.keeper.client import KeeperClient, LocalDoor
from sealock.keeper.desk import Desk
from sealock.keeper.desk_parts import DeskParts
from sealock.keeper.epoch import Clocks, Epoch
from sealock.keeper.identity import load_or_create
from sealock.keeper.journal import Journal
from sealock.keeper.kek import FileKek
from sealock.keeper.keyset_files import KeySetFiles
from sealock.keeper.keysets import KeySets
from sealock.keeper.peers import Peer, PeerRole, Peers
from sealock.keeper.server import Listening, Server, bind_local
from sealock.keeper.signing import AsWorker, public_half, request_of
from sealock.keeper.statements import sign
from sealock.keeper.worker_messages import Admitted, AdmitWorker
from sealock.ledger.releases import ReleaseLedger

ACCOUNT, PROJECT, BUILD = "team", "parser", "b1"
ORIGIN = GitOrigin(GitAddress("git", "git.example", 22, "team/parser.git"), ("ssh-ed25519 AAAA",))
"""The repository that the project of the tests builds."""
EVERYTHING = Peer("local", frozenset(PeerRole))
BUILDER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""What the worker of the tests signs with."""

AS_BUILDER = AsWorker(lambda: BUILDER, "builder")


@dataclass
class FakeClock:
    """A clock that stands still until it is told."""

    wall: float = field(default_factory=time.time)
    running: float = 1000.0

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.wall, lambda: self.running)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.running += seconds


def key_sets(directory: Path) -> KeySets:
    backend = FileBackend(directory / "kek" / "key")
    return KeySets(
        KeySetFiles(directory / "keysets"), Backends(backend), Journal(directory / "rotation.json").generation
    )


def seal_value(
    sets: KeySets, name: SealedName, value: bytes, scope: Scope | None = None, origin: GitOrigin = ORIGIN
) -> Sealed:
    """As whoever takes a secret from its owner does it. origin: of the project, if the scope says none."""
    scope = scope or Scope(protected_only=False)
    scope = of_a_fetch(origin) if name.kind is Kind.SSH_KEY else replace(scope, origin=scope.origin or origin)
    scoped = name.kind in {Kind.VARIABLE, Kind.FILE, Kind.SSH_KEY}
    inside = enclose(scope, Secret(value)) if scoped else Secret(value)
    return sealing.seal(name, inside, sets.public_key(name.owner))


def name_of(kind: Kind, name: str, version: int = 1, project: str | None = PROJECT) -> SealedName:
    return SealedName(ACCOUNT, project, kind, name, version)


SSH_KEY = name_of(Kind.SSH_KEY, "ssh-key")
TOKEN = name_of(Kind.VARIABLE, "TOKEN")
CONFIG = name_of(Kind.FILE, "config")


def terms(build: str = BUILD, attempt: int = 1, secrets: Sequence[SealedName] = (TOKEN, CONFIG)) -> Terms:
    return Terms(
        build=build,
        attempt=attempt,
        account=ACCOUNT,
        project=PROJECT,
        plan_digest="sha256:0",
        origin=ORIGIN,
        found_on="main",
        ssh_key=SSH_KEY,
        steps=(
            LeasedStep("setup", "setup", ""),
            LeasedStep("test:unit", "test", "unit", tuple(secrets)),
            LeasedStep("deploy:live", "deploy", "live", tuple(secrets)),
        ),
        branch="main",
        protected=True,
        fork=False,
        lifetime=3600.0,
    )


def signed_issue(wanted: Terms, key: Ed25519PrivateKey, one_time: bytes, at: float) -> protocol.Issue:
    """What a worker with that key asks for, stated as it would be."""
    stated = Stated(wanted.branch, wanted.protected, wanted.fork)
    return protocol.Issue(asked=sign(request_of(wanted, one_time, key, at), key), stated=stated)


class KeeperFixture:
    """A desk over a real ledger, real key sets, and a clock that is told. The worker of the tests is known to
    it, by the ledger's first entry, unless `admitted` says otherwise."""

    def __init__(self, directory: Path, clock: FakeClock | None = None, *, admitted: bool = True) -> None:
        self.directory = directory
        self.clock = clock or FakeClock()
        self.sets = key_sets(directory)
        self.journal = Journal(directory / "rotation.json")
        self.authority = Ed25519PrivateKey.generate()
        self.team_key = Ed25519PrivateKey.generate()
        self.authorities = Authorities(
            (self.authority.public_key().public_bytes_raw(),),
            {ACCOUNT: (self.team_key.public_key().public_bytes_raw(),)},
            frozenset({"crew-1"}),
        )
        self.log: list[str] = []
        self.private, self.public = sealing.new_pair()
        self.start()
        if admitted:
            self.admit()

    def start(self) -> None:
        """As after a restart: nothing in memory but what the files say."""
        self.ledger = ReleaseLedger(self.directory / "ledger")
        self.epoch = Epoch(self.directory / "keeper" / "epoch", self.clock.clocks())
        self.desk = Desk(
            DeskParts(
                ledger=self.ledger,
                epoch=self.epoch,
                unsealer=self.sets,
                public_keys=self.sets,
                care=KeyCare(self.sets, self.journal, lambda: FileKek(self.directory / "kek" / "key")),
                key=load_or_create(self.directory / "keeper" / "key"),
                authorities=self.authorities,
                log=self.log.append,
                achieved=("tested",),
            )
        )

    def stop(self) -> None:
        self.desk.keep()
        self.ledger.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def seal(
        self,
        name: SealedName,
        value: bytes = b"value",
        scope: Scope | None = None,
        origin: GitOrigin = ORIGIN,
    ) -> Sealed:
        return seal_value(self.sets, name, value, scope, origin)

    def admit(self, name: str = "builder", key: Ed25519PrivateKey = BUILDER) -> None:
        reply = self.desk.answer(EVERYTHING, AdmitWorker(name=name, key=public_half(key)))
        assert isinstance(reply, Admitted), self.log

    def asking(
        self, wanted: Terms | None = None, key: Ed25519PrivateKey = BUILDER, one_time: bytes | None = None
    ) -> protocol.Issue:
        """A request for a lease, signed now."""
        return signed_issue(wanted or terms(), key, one_time or self.public, self.epoch.now())

    def issue(self, wanted: Terms | None = None, peer: Peer = EVERYTHING) -> str:
        reply = self.desk.answer(peer, self.asking(wanted))
        assert isinstance(reply, protocol.Issued), self.log
        return reply.lease

    def open(self, lease: str, sealed: Sealed, step: str = "", peer: Peer = EVERYTHING) -> protocol.Reply:
        request = protocol.Open(sealed=(sealed,), step=step, lease=lease, nonce=bytes(16))
        return self.desk.answer(peer, request)


@asynccontextmanager
async def serving(
    keeper: KeeperFixture, socket: Path, peers: Peers, *, deadline: float = protocol.DEADLINE
) -> AsyncIterator[None]:
    local = bind_local(socket)
    async with Server(keeper.desk, peers, keeper.log.append, deadline=deadline).serving(Listening(local)):
        yield
    socket.unlink()


def client(socket: Path, user: int) -> KeeperClient:
    return KeeperClient(LocalDoor(socket, frozenset({user})), AS_BUILDER, deadline=10.0)
