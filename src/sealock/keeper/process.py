"""The keeper's process from start to stop: gives up its rights, then opens what it needs, then serves.

The order matters. Sockets are bound and memory is locked while there are rights to; then the user changes,
so that everything is opened as who will use it; the filter on system calls comes last, before the first
request.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import make_private_directory
from sealock.core.release import Ledger
from sealock.core.secret import Secret
from sealock.keeper.authorities import read_authorities
from sealock.keeper.confine import become, lock_memory, shut_in
from sealock.keeper.desk import Desk
from sealock.keeper.desk_parts import Care, DeskParts, Log
from sealock.keeper.epoch import Epoch
from sealock.keeper.identity import load_or_create
from sealock.keeper.keysets import KeySets
from sealock.keeper.opening import open_with
from sealock.keeper.peers import Peers
from sealock.keeper.protocol import NONCE_LENGTH, AskStatus, decode_request, encode_request
from sealock.keeper.sealing import new_pair, seal_to
from sealock.keeper.server import Listening, Server, bind_local
from sealock.keeper.tls import TlsFiles, server_tls


@dataclass(frozen=True)
class NetworkDoor:
    """Where other hosts reach the keeper."""

    host: str
    port: int
    files: TlsFiles


@dataclass(frozen=True)
class KeeperOptions:
    """directory: the keeper's own, for its epoch, its signing key and `authorities.json`. peers: besides
    those the authorities name. ledger, key_sets: opened once the process runs as who it will stay. care:
    what looks after those key sets. owned: directories that go over to `user` with it. settle: is called as
    root before they do. sessions: public keys of who signs people in, besides those of the file. network:
    whether the back end is reached over it."""

    directory: Path
    socket: Path
    peers: Peers
    ledger: Callable[[], AbstractContextManager[Ledger]]
    key_sets: Callable[[], KeySets]
    care: Callable[[KeySets], Care]
    user: str = ""
    owned: Sequence[Path] = ()
    settle: Callable[[], None] = lambda: None
    sessions: Callable[[], tuple[bytes, ...]] = tuple
    network: bool = False
    door: NetworkDoor | None = None


class Keeper:
    """A keeper that is not running yet (`core.keeper.KeeperProcess`)."""

    def __init__(self, options: KeeperOptions) -> None:
        self._options = options

    def run(self, say: Log, *, attended: bool = False) -> None:
        """Serve until SIGTERM or SIGINT; attended: or until standard input ends. UsageError or
        PermanentError if it cannot start."""
        options = self._options
        _rehearse()
        if not options.socket.parent.exists():
            make_private_directory(options.socket.parent)
        listening, sessions = self._bind(), options.sessions()
        stays = not options.user or os.geteuid() != 0
        if os.geteuid() == 0:
            options.settle()
        achieved = [lock_memory(stays=stays), become(options.user, options.owned)]
        make_private_directory(options.directory)
        with listening.local, options.ledger() as ledger:
            # What does not open is better found out now, not when a build waits for it.
            sets, key = options.key_sets(), load_or_create(options.directory / "signing-key")
            authorities = read_authorities(options.directory / "authorities.json")
            authorities = replace(authorities, sessions=(*authorities.sessions, *sessions))
            peers = options.peers.joined(authorities.peers)
            epoch = Epoch(options.directory / "epoch")
            # Attended, what comes in is read to its end and thrown away.
            attendant = _attendant() if attended else None
            _no_input()
            achieved += shut_in(network=options.network)
            desk = Desk(
                DeskParts(
                    ledger=ledger,
                    epoch=epoch,
                    unsealer=sets,
                    public_keys=sets,
                    care=options.care(sets),
                    key=key,
                    authorities=authorities,
                    log=say,
                    achieved=tuple(achieved),
                    directory=str(options.directory),
                )
            )
            for line in achieved:
                say(line)
            server = Server(desk, peers, say)
            asyncio.run(_serve(server, listening, options.socket, say, attendant))

    def _bind(self) -> Listening:
        options, door = self._options, self._options.door
        if door is None:
            return Listening(bind_local(options.socket))
        tls = server_tls(door.files)
        try:
            network = socket.create_server((door.host, door.port))
        except OSError as error:
            raise UsageError(
                f"the keeper cannot listen on {door.host} port {door.port}",
                details=str(error),
                resolution="See that the address is this host's and nothing else listens there "
                "(setting keeper_listen).",
            ) from error
        try:
            return Listening(bind_local(options.socket), network, tls)
        except PermanentError:
            network.close()
            raise


def _rehearse() -> None:
    """Seal, open, write and read once, before anything depends on it: what does not work here is known at
    the start, and all code is in memory before the user changes to one who may not be able to read it."""
    private, public = new_pair()
    nonce = bytes(NONCE_LENGTH)
    with private, Secret(nonce) as value:
        opened = open_with(private, nonce, seal_to(public, nonce, value))
        if opened.reveal() != nonce or decode_request(encode_request(AskStatus())) != AskStatus():
            raise PermanentError("the keeper's own ciphers or messages do not work on this host")


async def _serve(server: Server, listening: Listening, path: Path, say: Log, attendant: int | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if attendant is not None:
        loop.add_reader(attendant, _until_end, attendant, stopped)
    async with server.serving(listening):
        say(f"serving on {path}")
        await stopped.wait()
        with suppress(OSError):  # of a directory where we may not; the next keeper takes its place then
            path.unlink()
        with suppress(BrokenPipeError):  # whoever attended us and read our log may be gone
            say("stopping")


def _attendant() -> int:
    """Standard input, kept open for nothing but its end."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        raise UsageError(
            "--attended needs a pipe as standard input",
            resolution="It is for a process that starts the keeper; by hand, leave it out.",
        )
    return os.dup(0)


def _until_end(attendant: int, stopped: asyncio.Event) -> None:
    if not os.read(attendant, 4096):
        asyncio.get_running_loop().remove_reader(attendant)
        stopped.set()


def _no_input() -> None:
    """Nobody types to the keeper once it serves."""
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    except OSError as error:
        raise PermanentError("the keeper's input cannot be closed", details=str(error)) from error
