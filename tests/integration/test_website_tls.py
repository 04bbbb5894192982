"""P7: what the real server speaks, found out by knocking at it with every protocol and cipher there is."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from sealock.access.authority import Authority
from sealock.core.certificate import Certificate
from sealock.core.errors import PermanentError, UsageError
from sealock.web.origin import Origin
from sealock.web.ports import WebPorts
from sealock.web.streams import Streams
from sealock.web.tls import Listen, Website, tls_context
from tests.support.website import Served, served

pytestmark = pytest.mark.anyio
VERSIONS = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as website:
        yield website


def knock(port: int, version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> tuple[str, str] | None:
    """The protocol and cipher that came of it; None if the server would not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        try:
            with context.wrap_socket(raw) as connection:
                cipher = connection.cipher()
                return (connection.version() or "", cipher[0]) if cipher else None
        except (ssl.SSLError, ConnectionResetError):
            return None


async def test_only_tls_1_2_and_1_3_are_spoken(site: Served, tmp_path: Path) -> None:
    found = [await asyncio.to_thread(knock, site.https, version) for version in VERSIONS]
    assert [one and one[0] for one in found] == [None, None, "TLSv1.2", "TLSv1.3"]
    # The older ones have no cipher of ours either, so that knocking does not tell which of the two refused.
    spoken = tls_context(Authority(tmp_path / "other", ["localhost"]).website_certificate())
    assert spoken.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_each_cipher_that_is_taken_has_forward_secrecy_and_authenticated_encryption(
    site: Served,
) -> None:
    everything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    everything.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    names = [one["name"] for one in everything.get_ciphers() if not one["name"].startswith("TLS_")]
    assert len(names) > 40, "there has to be something to refuse"
    taken = [
        name
        for name in names
        if await asyncio.to_thread(knock, site.https, ssl.TLSVersion.TLSv1_2, f"{name}:@SECLEVEL=0")
    ]
    assert taken and all(
        name.startswith("ECDHE-") and ("GCM" in name or "CHACHA20" in name) for name in taken
    )


async def test_openssl_finds_no_renegotiation_and_no_compression(site: Served) -> None:
    result = await asyncio.to_thread(
        subprocess.run,
        ["openssl", "s_client", "-connect", f"127.0.0.1:{site.https}", "-tls1_2"],
        input=b"R\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"Compression: NONE" in result.stdout
    assert b"no renegotiation" in result.stderr


async def test_a_browser_that_trusts_the_authority_gets_the_site_with_hsts(site: Served) -> None:
    trust = ssl.create_default_context(cafile=site.authority)
    async with httpx2.AsyncClient(verify=trust) as client:
        answer = await client.get(f"https://localhost:{site.https}/health")
    assert answer.json() == {"status": "ok"}
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert "server" not in answer.headers


async def test_a_client_that_does_not_trust_it_gets_nothing(site: Served) -> None:
    async with httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"https://localhost:{site.https}/health")


REQUESTS = [
    ("GET", "/", {}),
    ("GET", "/health", {"Cookie": "__Host-sealock=x"}),
    ("HEAD", "/api/session?a=1&b=%2F", {}),
    ("POST", "/api/session", {"Content-Type": "application/json"}),
    ("POST", "/hooks/git/" + "1" * 32, {"X-Sealock-Signature": "sha256=" + "0" * 64}),
    ("DELETE", "/api/session", {"Authorization": "Bearer slk_x"}),
    ("OPTIONS", "*", {}),
    ("GET", "//evil.example.net/", {"Host": "evil.example.net"}),
    ("GET", "http://evil.example.net/a", {"Host": "evil.example.net"}),
    ("GET", "/\\evil.example.net", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example.net"}),
]


@pytest.mark.parametrize(("method", "path", "headers"), REQUESTS)
async def test_plain_http_only_ever_redirects(
    site: Served, method: str, path: str, headers: dict[str, str]
) -> None:
    """No page, no cookie, and no way to be sent elsewhere, whatever is asked for."""

    def ask() -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", site.http, timeout=60)
        try:
            connection.request(method, path, b'{"password": "x"}' if method == "POST" else None, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    status, told, body = await asyncio.to_thread(ask)
    assert (status, body) == (308, b"")
    assert told["location"].startswith(f"https://localhost:{site.https}/")
    assert not {"set-cookie", "server", "content-security-policy"} & set(told)


async def test_a_redirect_keeps_the_path_and_the_query(site: Served) -> None:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"http://localhost:{site.http}/a%2Fb/c?d=%20e&f")
    assert answer.headers["location"] == f"https://localhost:{site.https}/a%2Fb/c?d=%20e&f"


async def test_the_tls_port_answers_no_plain_http(site: Served) -> None:
    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", site.https), timeout=60) as raw:
            raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return raw.recv(1000)

    assert b"HTTP/" not in await asyncio.to_thread(ask)


# Stopping


def streaming(ports: WebPorts) -> ASGIApp:
    """A live log for ever, one that does not listen to the website's end, and a slow answer."""

    async def for_ever() -> AsyncIterator[bytes]:
        while True:
            yield b"data: x\n\n"
            await asyncio.sleep(3600)

    async def live(_: Request) -> StreamingResponse:
        return StreamingResponse(ports.streams.follow(for_ever()), media_type="text/event-stream")

    async def deaf(_: Request) -> StreamingResponse:
        return StreamingResponse(for_ever(), media_type="text/event-stream")

    return Starlette(routes=[Route("/live", live), Route("/deaf", deaf)])


async def follow(site: Served, path: str, begun: asyncio.Event) -> bytes:
    trust = ssl.create_default_context(cafile=site.authority)
    found = b""
    address = f"https://localhost:{site.https}{path}"
    async with (
        httpx2.AsyncClient(verify=trust, timeout=30) as client,
        client.stream("GET", address) as answer,
    ):
        async for chunk in answer.aiter_bytes():
            found += chunk
            begun.set()
    return found


async def test_the_website_stops_at_once_although_streams_are_open(tmp_path: Path) -> None:
    async with served(tmp_path, streaming, grace=120) as site:
        begun = [asyncio.Event() for _ in range(20)]
        streams = [asyncio.create_task(follow(site, "/live", one)) for one in begun]
        await asyncio.wait_for(asyncio.gather(*(one.wait() for one in begun)), 60)
        at = time.monotonic()
        site.website.stop()
        assert await asyncio.wait_for(asyncio.gather(*streams), 60) == [b"data: x\n\n"] * 20
    assert time.monotonic() - at < 60


async def test_a_stream_that_does_not_end_is_ended_after_the_grace(tmp_path: Path) -> None:
    async with served(tmp_path, streaming, grace=1) as site:
        begun = asyncio.Event()
        stream = asyncio.create_task(follow(site, "/deaf", begun))
        await asyncio.wait_for(begun.wait(), 60)
        at = time.monotonic()
    assert 0.9 < time.monotonic() - at < 60
    with pytest.raises(httpx2.HTTPError):
        await stream


async def test_the_source_of_a_stream_is_closed(tmp_path: Path) -> None:
    streams, closed = Streams(), asyncio.Event()

    async def source() -> AsyncIterator[int]:
        try:
            for number in range(3):
                yield number
            await asyncio.sleep(3600)
        finally:
            closed.set()

    got = []
    async for number in streams.follow(source()):
        got.append(number)
        if number == 2:
            streams.end()
    assert got == [0, 1, 2] and closed.is_set()
    assert [one async for one in streams.follow(source())] == []


async def test_a_stream_that_ends_by_itself_is_passed_on_whole() -> None:
    async def source() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    assert [one async for one in Streams().follow(source())] == [0, 1, 2]


# Starting


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        again = Website(site.website.app, Origin("localhost"), site.website.certificate, Streams())
        with pytest.raises(UsageError, match="cannot listen on") as told:
            await again.serve(Listen("127.0.0.1", site.https))
        assert "the setting listen," in str(told.value.resolution)
        with pytest.raises(UsageError, match="cannot listen on") as told:
            await again.serve(Listen("127.0.0.1", 0, ("127.0.0.1", site.http)))
        assert "the setting http_listen," in str(told.value.resolution)


async def test_no_certificate_no_website(tmp_path: Path) -> None:
    def none() -> Certificate:
        raise PermanentError("there is none")

    with pytest.raises(PermanentError, match="there is none"):
        await Website(Starlette(), Origin("localhost"), none, Streams()).serve(Listen("127.0.0.1", 0))
    with pytest.raises(UsageError, match="cannot be used"):
        tls_context(Certificate(tmp_path / "none", tmp_path / "none"))


async def test_a_new_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    """And trouble with it leaves the one there is."""
    async with served(tmp_path) as site:
        website = site.website
        path = website.certificate().chain
        context = tls_context(website.certificate())

        def shown() -> bytes:
            with (
                socket.create_server(("127.0.0.1", 0)) as listening,
                socket.create_connection(listening.getsockname()) as raw,
                listening.accept()[0] as there,
            ):
                return _shown(context, there, raw)

        first = await asyncio.to_thread(shown)
        path.unlink()
        website.renew(context)
        second = await asyncio.to_thread(shown)
        assert first != second
        path.chmod(0o644)
        website.renew(context)
        assert await asyncio.to_thread(shown) == second


def _shown(context: ssl.SSLContext, there: socket.socket, here: socket.socket) -> bytes:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    served_to: list[ssl.SSLSocket] = []
    thread = threading.Thread(target=lambda: served_to.append(context.wrap_socket(there, server_side=True)))
    thread.start()
    with client.wrap_socket(here) as connection:
        found = connection.getpeercert(binary_form=True)
    thread.join()
    served_to[0].close()
    assert found is not None
    return found
