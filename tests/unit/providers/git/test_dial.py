"""Where connections may go. Names are resolved by a resolver of the test's own."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator

import pytest

from sealock.core.errors import UsageError
from sealock.core.source import GitAddress
from sealock.providers.git import reach
from sealock.providers.git.dial import GitDialer
from sealock.providers.git.reach import AllowList, why_refused

pytestmark = pytest.mark.anyio


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server on loopback that says hello."""

    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104  # refused, not bound to
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:1::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "100::1",
        "5f00::1",
    ],
)
def test_what_lies_inside_is_refused(text: str) -> None:
    assert why_refused(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text", ["140.82.121.4", "8.8.8.8", "172.32.0.1", "2606:50c0:8000::153", "64:ff9b::808:808"]
)
def test_the_public_internet_is_not(text: str) -> None:
    assert not why_refused(ipaddress.ip_address(text))


async def test_an_address_of_this_host_is_refused_though_it_is_public(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Any address can be this host's. Loopback is one that everybody has: as if it were in no range."""
    monkeypatch.setattr(reach, "_REFUSED", ())
    assert why_refused(ipaddress.ip_address("127.0.0.1")) == "an address of this host"
    assert not reach._is_ours(ipaddress.ip_address("140.82.121.4"))


async def test_loopback_is_refused_unless_listed(port: int) -> None:
    address = GitAddress("git", "127.0.0.1", port, "a")
    with pytest.raises(UsageError, match="may not connect") as caught:
        await GitDialer(()).connector(address)()
    assert "loopback" in caught.value.details
    assert "allow list" in caught.value.resolution
    for allowed in ("127.0.0.1", "127.0.0.0/8", " 127.0.0.1/32 "):
        reader, writer = await GitDialer([allowed]).connector(address)()
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()


async def test_a_listed_name_reaches_what_it_resolves_to(port: int) -> None:
    address = GitAddress("git", "localhost", port, "a")
    _, writer = await GitDialer(["LOCALHOST"]).connector(address)()
    assert writer.get_extra_info("peername")[0] == "127.0.0.1"
    writer.close()
    await writer.wait_closed()
    with pytest.raises(UsageError):
        await GitDialer(["localhost.example"]).connector(address)()


async def test_a_name_is_resolved_once_and_only_the_checked_address_is_used(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that changes its answer between the check and the connection."""
    answers = [["140.82.121.4", "127.0.0.1"], ["127.0.0.1"]]
    asked: list[str] = []

    async def getaddrinfo(host: str, number: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, number)) for each in answers.pop(0)]

    loop = asyncio.get_running_loop()
    tried: list[str] = []

    async def create_connection(_: object, host: str, number: int, **__: object) -> None:
        tried.append(host)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(loop, "create_connection", create_connection)
    with pytest.raises(OSError, match=r"rebinding.example, port \d+, cannot be reached: 140.82.121.4"):
        await GitDialer(()).connector(GitAddress("git", "rebinding.example", port, "a"))()
    assert asked == ["rebinding.example"]
    assert tried == ["140.82.121.4"]


async def test_port_25_is_closed() -> None:
    with pytest.raises(UsageError):
        await GitDialer(["127.0.0.1"]).connector(GitAddress("git", "127.0.0.1", 25, "a"))()


async def test_what_does_not_answer_is_an_os_error(port: int) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = GitAddress("git", "127.0.0.1", unused.getsockname()[1], "a")
        with pytest.raises(OSError, match="cannot be reached"):
            await GitDialer(["127.0.0.1"]).connector(address)()


@pytest.mark.parametrize("entry", ["", "10.0.0.1/8", "300.1.1.1", "a b", "-x", "*.example", "a..b"])
def test_a_malformed_allow_list_is_refused(entry: str) -> None:
    with pytest.raises(UsageError):
        AllowList([entry])
