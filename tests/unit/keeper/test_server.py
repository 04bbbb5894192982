"""The keeper's door over real sockets: who is known is answered, in time, and nobody holds up the others."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.core.lease import KeeperAway, Refused
from sealock.core.release import Released
from sealock.core.sealed import Kind, Owner, PublicKey
from sealock.keeper import protocol
from sealock.keeper.carried_door import CarriedDoor
from sealock.keeper.client import KeeperClient, LocalDoor
from sealock.keeper.peers import Peers
from sealock.keeper.refusals import MOST_LINES
from sealock.keeper.remote_door import NoTrust, RemoteDoor
from sealock.keeper.server import Listening, Server, bind_local
from sealock.keeper.tls import TlsFiles, client_tls, server_tls
from tests.support.keeper import (
    AS_BUILDER,
    BUILD,
    CONFIG,
    EVERYTHING,
    SSH_KEY,
    TOKEN,
    KeeperFixture,
    client,
    name_of,
    serving,
    terms,
)
from tests.support.keeper_tls import Authority

pytestmark = pytest.mark.anyio
US = os.geteuid()


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[KeeperFixture]:
    keeper = KeeperFixture(tmp_path)
    yield keeper
    keeper.ledger.close()


@pytest.fixture
async def door(keeper: KeeperFixture, tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "keeper.sock"
    async with serving(keeper, path, Peers(by_user={US: EVERYTHING}), deadline=2.0):
        yield path


async def send(path: Path, sent: bytes, *, end: bool = False) -> bytes:
    """Everything that comes back until the keeper hangs up."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(sent)
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


def frame(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


async def test_a_build_from_lease_to_end(keeper: KeeperFixture, door: Path) -> None:
    key, token = keeper.seal(SSH_KEY, b"key"), keeper.seal(TOKEN, b"t\n'\"\0")
    asking = client(door, US)
    async with asking.lease(terms()) as lease:
        assert (await lease.open(key)).reveal() == b"key"
        assert (await lease.open(token, step="test:unit")).reveal() == b"t\n'\"\0"
        with pytest.raises(Refused):
            await lease.open(key)
    with pytest.raises(Refused):
        await lease.open(token, step="test:unit")
    given = [entry.fact for entry in await asking.exposures(BUILD)]
    assert [fact.name for fact in given if isinstance(fact, Released)] == ["ssh-key", "TOKEN"]
    among = await asking.exposures(*(f"b{number}" for number in range(2500, 0, -1)))
    assert [entry.fact for entry in among] == given
    assert await asking.exposures("b2", "b3") == []


async def test_the_largest_value_passes_and_comes_out_whole(keeper: KeeperFixture, door: Path) -> None:
    large = os.urandom(1024 * 1024)
    sealed = keeper.seal(CONFIG, large)
    async with client(door, US).lease(terms()) as lease:
        assert (await lease.open(sealed, step="test:unit")).reveal() == large


async def test_many_values_come_out_in_their_order_over_several_requests(
    keeper: KeeperFixture, door: Path
) -> None:
    names = [name_of(Kind.VARIABLE, f"N{number}") for number in range(100)]
    sealed = [keeper.seal(name, name.name.encode()) for name in names]
    large = [keeper.seal(replace(CONFIG, name=f"c{number}"), os.urandom(600_000)) for number in range(3)]
    wanted = [*names, *(each.name for each in large)]
    async with client(door, US).lease(terms(secrets=wanted)) as lease:
        values = await lease.open_all([*sealed, *large], step="test:unit")
        assert [value.reveal() for value in values[:100]] == [name.name.encode() for name in names]
        assert await lease.open_all([], step="test:unit") == []
    assert len(values) == 103


async def test_the_keeper_tells_what_to_seal_to_until_the_keys_are_destroyed(
    keeper: KeeperFixture, door: Path
) -> None:
    owner = Owner("team", "parser")
    assert await client(door, US).public_key(owner) == keeper.sets.public_key(owner)
    keeper.sets.destroy(owner)
    with pytest.raises(Refused):
        await client(door, US).public_key(owner)


async def test_another_owners_key_is_not_taken_for_what_was_asked_for() -> None:
    """Whoever carries the answer would else have a secret sealed to a project of their own."""
    asked, theirs = Owner("team", "parser"), Owner("team", "theirs")

    async def carry(_: bytes) -> bytes:
        return protocol.encode_reply(protocol.Public(key=PublicKey(theirs, 1, bytes(32))))

    with pytest.raises(KeeperAway):
        await KeeperClient(CarriedDoor(carry)).public_key(asked)
    assert (await KeeperClient(CarriedDoor(carry)).public_key(theirs)).owner == theirs


async def test_another_user_is_hung_up_on(keeper: KeeperFixture, tmp_path: Path) -> None:
    path = tmp_path / "k.sock"
    async with serving(keeper, path, Peers(by_user={US + 1: EVERYTHING})):
        assert await send(path, b"") == b""
        with pytest.raises(KeeperAway):
            await client(path, US).status()
    assert any("not a peer" in line for line in keeper.log)


async def test_a_request_too_long_is_refused_before_it_is_sent(door: Path) -> None:
    began = time.monotonic()
    answer = await send(door, (protocol.LONGEST_REQUEST + 1).to_bytes(4, "big"))
    assert answer == frame(protocol.encode_reply(protocol.No(reference="")))
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"\xff" * 50, b"[" * 50_000])
async def test_malformed_requests_all_get_the_same_answer(door: Path, content: bytes) -> None:
    assert await send(door, frame(content)) == frame(protocol.encode_reply(protocol.No(reference="")))


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\0\0\x05ab"])
async def test_a_request_cut_short_is_answered_and_hung_up_on(door: Path, sent: bytes) -> None:
    assert await send(door, sent, end=True) == frame(protocol.encode_reply(protocol.No(reference="")))


async def test_who_sends_nothing_is_hung_up_on_and_holds_up_nobody(
    keeper: KeeperFixture, tmp_path: Path
) -> None:
    path = tmp_path / "k.sock"
    async with serving(keeper, path, Peers(by_user={US: EVERYTHING}), deadline=0.3):
        silent = [await asyncio.open_unix_connection(path) for _ in range(20)]
        assert (await client(path, US).status()).achieved == ("tested",)
        for reader, writer in silent:
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()


async def test_more_connections_than_there_are_places_wait_their_turn(
    keeper: KeeperFixture, tmp_path: Path
) -> None:
    path = tmp_path / "k.sock"
    async with serving(keeper, path, Peers(by_user={US: EVERYTHING}), deadline=0.3):
        silent = [await asyncio.open_unix_connection(path) for _ in range(80)]
        assert (await client(path, US).status()).epoch == keeper.epoch.number
        for _, writer in silent:
            writer.close()


async def test_only_so_many_are_served_at_a_time(
    keeper: KeeperFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each may hold in memory is bounded, and so is how many there are."""
    path, now, most = tmp_path / "k.sock", 0, 0
    real = protocol.read_frame

    async def counting(reader: asyncio.StreamReader, longest: int) -> bytes:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.1)
        try:
            return await real(reader, longest)
        finally:
            now -= 1

    monkeypatch.setattr("sealock.keeper.server.MOST_CONNECTIONS", 3)
    monkeypatch.setattr("sealock.keeper.server.read_frame", counting)
    asked = frame(protocol.encode_request(protocol.AskStatus()))
    async with serving(keeper, path, Peers(by_user={US: EVERYTHING})):
        answers = await asyncio.gather(*(send(path, asked) for _ in range(9)))
    assert all(b"achieved" in answer for answer in answers)
    assert most == 3


async def test_a_fault_is_logged_without_what_it_says(
    keeper: KeeperFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text could be of what was opened."""

    def fails(*_: object) -> protocol.Reply:
        raise RuntimeError("canary")

    path = tmp_path / "k.sock"
    monkeypatch.setattr(keeper.desk, "answer", fails)
    async with serving(keeper, path, Peers(by_user={US: EVERYTHING})):
        assert await send(path, frame(protocol.encode_request(protocol.AskStatus()))) == b""
    assert "fault: RuntimeError" in keeper.log
    assert "canary" not in "".join(keeper.log)


async def test_many_at_once_are_each_released_once(keeper: KeeperFixture, door: Path) -> None:
    """Two requests for what is released once cannot both be the first."""
    key = keeper.seal(SSH_KEY)
    async with client(door, US).lease(terms()) as lease:
        results = await asyncio.gather(*(lease.open(key) for _ in range(20)), return_exceptions=True)
    assert len([r for r in results if isinstance(r, Refused)]) == 19
    assert len([e for e in keeper.ledger.entries() if isinstance(e.fact, Released)]) == 1


async def test_a_socket_of_somebody_else_is_not_spoken_to(door: Path) -> None:
    with pytest.raises(PermanentError, match="not the keeper's"):
        await client(door, US + 1).status()


async def test_a_keeper_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(KeeperAway):
        await client(tmp_path / "none", US).status()


@pytest.mark.parametrize("answer", [b"", b"\0\0\0\x02{}", b"\xff\xff\xff\xff", b"\0\0\0\x09abc"])
async def test_a_keeper_that_answers_nonsense_is_away(tmp_path: Path, answer: bytes) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    path = tmp_path / "s"
    async with await asyncio.start_unix_server(nonsense, path):
        with pytest.raises(KeeperAway):
            await client(path, US).status()


async def test_a_value_exchanged_on_the_way_is_not_taken(keeper: KeeperFixture, tmp_path: Path) -> None:
    """A relay answers with the release of another request."""
    first, second = tmp_path / "real", tmp_path / "relay"
    token, config = keeper.seal(TOKEN), keeper.seal(CONFIG)
    kept: list[bytes] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = await protocol.read_frame(reader, protocol.LONGEST_REQUEST)
        answer = await send(first, frame(sent))
        if isinstance(protocol.decode_reply(answer[4:]), protocol.Handed):
            kept.append(answer)
            answer = kept[0]
        writer.write(answer)
        writer.close()

    async with (
        serving(keeper, first, Peers(by_user={US: EVERYTHING})),
        await asyncio.start_unix_server(relay, second),
        client(second, US).lease(terms()) as lease,
    ):
        assert (await lease.open(token, step="test:unit")).reveal() == b"value"
        for other in (token, config):
            with pytest.raises(KeeperAway):
                await lease.open(other, step="test:unit")


async def test_leaving_the_lease_does_not_hide_why(door: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client(door, US).lease(terms()):
            raise ZeroDivisionError


def test_a_socket_left_by_a_crash_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bind_local(path).close()
    with bind_local(path) as living:
        living.listen()
        with pytest.raises(PermanentError, match="already"):
            bind_local(path)
    path.unlink()
    path.write_text("a file of somebody's")
    with pytest.raises(PermanentError, match="cannot be made"):
        bind_local(path)
    assert path.read_text() == "a file of somebody's"


@asynccontextmanager
async def over_tls(keeper: KeeperFixture, authority: Authority, known: str) -> AsyncIterator[int]:
    certificate, key, _ = authority.issue("keeper")
    network = socket.create_server(("127.0.0.1", 0))
    local = bind_local(keeper.directory / "local.sock")
    listening = Listening(local, network, server_tls(TlsFiles(certificate, key, authority.certificate)))
    peers = Peers(by_certificate={known: EVERYTHING})
    async with Server(keeper.desk, peers, keeper.log.append, deadline=5.0).serving(listening):
        yield network.getsockname()[1]


def remote(port: int, authority: Authority, certificate: Path, key: Path) -> KeeperClient:
    tls = client_tls(TlsFiles(certificate, key, authority.certificate))
    return KeeperClient(RemoteDoor("127.0.0.1", port, tls), AS_BUILDER)


async def test_over_tls_a_peer_is_its_certificate(keeper: KeeperFixture, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    certificate, key, known = authority.issue("worker")
    other_certificate, other_key, _ = authority.issue("other")
    token = keeper.seal(TOKEN, b"t0ken")
    async with over_tls(keeper, authority, known) as port:
        async with remote(port, authority, certificate, key).lease(terms()) as lease:
            assert (await lease.open(token, step="test:unit")).reveal() == b"t0ken"
        with pytest.raises(KeeperAway):
            await remote(port, authority, other_certificate, other_key).status()


async def test_over_tls_strangers_and_plaintext_get_nothing(keeper: KeeperFixture, tmp_path: Path) -> None:
    authority, foreign = Authority(tmp_path / "tls"), Authority(tmp_path / "foreign")
    _, _, known = authority.issue("worker")
    certificate, key, _ = foreign.issue("worker")
    async with over_tls(keeper, authority, known) as port:
        with pytest.raises(KeeperAway):
            await remote(port, authority, certificate, key).status()
        bare = ssl.create_default_context(cafile=str(authority.certificate))
        with pytest.raises(KeeperAway):
            await KeeperClient(RemoteDoor("127.0.0.1", port, bare)).status()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(protocol.encode_request(protocol.AskStatus())))
        assert b"achieved" not in await asyncio.wait_for(reader.read(), 10)
        writer.close()


async def test_a_keeper_with_another_certificate_is_not_spoken_to(
    keeper: KeeperFixture, tmp_path: Path
) -> None:
    authority, foreign = Authority(tmp_path / "tls"), Authority(tmp_path / "foreign")
    certificate, key, known = authority.issue("worker")
    async with over_tls(keeper, authority, known) as port:
        with pytest.raises(NoTrust, match="not the keeper we trust"):
            await remote(port, foreign, certificate, key).status()


async def test_a_socket_that_a_stranger_fills_is_waited_for(keeper: KeeperFixture, tmp_path: Path) -> None:
    """Else whoever connects again and again makes each build fail for good."""
    path, filling = tmp_path / "keeper.sock", []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(0)
        with pytest.raises(BlockingIOError):
            while True:
                filling.append(socket.socket(socket.AF_UNIX))
                filling[-1].setblocking(False)
                filling[-1].connect(str(path))
        with pytest.raises(KeeperAway):
            await KeeperClient(LocalDoor(path, frozenset({US})), deadline=0.3).status()
        asked = asyncio.create_task(client(path, US).status())
        await asyncio.sleep(0.1)
        for each in filling:
            each.close()
        server = Server(keeper.desk, Peers(by_user={US: EVERYTHING}), keeper.log.append)
        async with server.serving(Listening(listening)):
            assert (await asked).entries == 1


async def test_strangers_who_come_again_and_again_do_not_fill_the_log(
    keeper: KeeperFixture, tmp_path: Path
) -> None:
    path = tmp_path / "keeper.sock"
    async with serving(keeper, path, Peers()):
        for _ in range(3 * MOST_LINES):
            assert await send(path, b"") == b""
    assert len([line for line in keeper.log if "not a peer" in line]) == MOST_LINES
