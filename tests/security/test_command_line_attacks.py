"""Attacks on whoever uses the command line against a server: for the token, the password, the terminal."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from sealock.access.authority import Authority
from sealock.cli.api import Api, TokenFor
from sealock.cli.log_text import line_text
from sealock.cli.sign_ins import SignIn, SignIns
from sealock.cli.trust import fingerprint_of
from sealock.core.build import Outcome
from sealock.core.errors import PermanentError, SealockError, UsageError
from sealock.core.secret import Secret
from tests.support.search import places
from tests.support.server_commands import Sealock, calling
from tests.support.site_thread import RunningSite, site_in_thread
from tests.support.website import PASSWORD, served

TEXT = "slk_" + "A" * 43 + "0000000"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b]52;c;cm0gLXJm\x07\x9b31m\u202e\r\nnot a line of ours"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config/sealock/servers.json"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningSite]:
    with site_in_thread(tmp_path / "site") as site:
        yield site


@pytest.fixture
def sealock(capfd: pytest.CaptureFixture[str]) -> Sealock:
    return calling(capfd)


@pytest.fixture
def signed_in(running: RunningSite) -> str:
    token = running.call(running.site.token())
    SignIns().keep(SignIn(running.url, Secret(token.encode()), "ada", running.authority, "key"))
    return token


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_can_read_or_write_is_not_used(
    mode: int, running: RunningSite, sealock: Sealock, signed_in: str, config: Path
) -> None:
    assert sealock("builds", "list")[0] == 0
    config.chmod(mode)
    code, out, err = sealock("builds", "list")
    assert (code, out) == (2, "")
    assert "others may have read the tokens" in err and signed_in not in err


def test_a_file_put_in_its_place_by_a_link_or_by_a_neighbour_is_not_used(
    running: RunningSite, sealock: Sealock, signed_in: str, config: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere.json"
    config.rename(moved)
    config.symlink_to(moved)
    assert sealock("builds", "list")[0] == 2
    config.unlink()
    moved.rename(config)
    config.parent.chmod(0o777)
    assert sealock("builds", "list")[0] == 2


def typed_into(asked: list[str]) -> Callable[[str], str]:
    """Somebody who types their password whenever they are asked, and by what."""

    def answer(text: str) -> str:
        asked.append(text)
        return PASSWORD

    return answer


class Recorder(httpx2.AsyncBaseTransport):
    """Answers as it was told to, and keeps what it was asked."""

    def __init__(self, *answers: httpx2.Response) -> None:
        self.answers, self.asked = list(answers), list[httpx2.Request]()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return self.answers.pop(0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_not_followed_and_takes_no_token_along(status: int, method: str) -> None:
    away = httpx2.Response(status, headers={"location": "https://evil.example/api/v1/builds"})
    transport = Recorder(away, *[httpx2.Response(200, json={}) for _ in range(5)])

    async def ask() -> None:
        async with Api("https://ci.example", Secret(TEXT.encode()), transport=transport) as api:
            await (api.get("builds") if method == "GET" else api.post("builds"))

    with pytest.raises(PermanentError, match="sends us elsewhere") as caught:
        asyncio.run(ask())
    assert [request.url.host for request in transport.asked] == ["ci.example"]
    assert TEXT not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/", "http://ci.example/", "https://ci.example:444/", "https://ci.example.evil/"],
)
def test_the_token_is_for_one_server_alone(url: str) -> None:
    request = httpx2.Request("GET", url)
    shown = next(TokenFor("https://ci.example", Secret(TEXT.encode())).auth_flow(request))
    assert "authorization" not in shown.headers
    request = httpx2.Request("GET", "https://ci.example/api/v1/builds")
    shown = next(TokenFor("https://ci.example", Secret(TEXT.encode())).auth_flow(request))
    assert shown.headers["authorization"] == f"Bearer {TEXT}"


@pytest.mark.parametrize(
    "segment", ["//evil.example", "https://evil.example/", "../tokens", "a/b", "a?b=c", "a#b", "a\r\nHost: x"]
)
def test_what_is_typed_stays_one_segment_of_the_path(segment: str) -> None:
    transport = Recorder(httpx2.Response(200, json={}))

    async def ask() -> None:
        async with Api("https://ci.example", Secret(TEXT.encode()), transport=transport) as api:
            await api.get("projects", segment)

    asyncio.run(ask())
    [request] = transport.asked
    assert request.url.host == "ci.example"
    assert request.url.raw_path.startswith(b"/api/v1/projects/")
    assert re.fullmatch(rb"[A-Za-z0-9%._~-]+", request.url.raw_path.removeprefix(b"/api/v1/projects/"))


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_a_segment_that_leads_elsewhere_is_refused(segment: str) -> None:
    async def ask() -> None:
        async with Api("https://ci.example", transport=Recorder()) as api:
            await api.change("DELETE", "projects", segment)

    with pytest.raises(UsageError):
        asyncio.run(ask())


@pytest.mark.parametrize(
    "url", ["http://ci.example", "ci.example", "https://a@ci.example", "https://ci.example/x", "ftp://c", ""]
)
def test_only_https_addresses_are_signed_in_to(url: str, sealock: Sealock) -> None:
    code, _, err = sealock("login", url, "--token", "-")
    assert code == 2 and "never sent by plain HTTP" in err


def test_plain_http_is_refused_in_the_file_too(sealock: Sealock, config: Path) -> None:
    SignIns().keep(SignIn("https://ci.example", Secret(TEXT.encode())))
    config.write_text(config.read_text().replace("https:", "http:"))
    code, _, err = sealock("builds", "list")
    assert code == 2 and TEXT not in err


def test_a_server_of_another_authority_gets_no_token(
    running: RunningSite, sealock: Sealock, signed_in: str, tmp_path: Path
) -> None:
    """The attack: somebody answers in the server's place, with a certificate for its name."""
    other = Authority(tmp_path / "other", ["localhost"]).certificate().read_text()
    SignIns().keep(SignIn(running.url, Secret(signed_in.encode()), "ada", other, "key"))
    code, out, err = sealock("builds", "list")
    assert (code, out) == (3, "")
    assert "is not the server you signed in to" in err
    [token] = running.call(running.site.tokens.all_of(running.site.owner))
    assert token.used_at is None


def test_an_unknown_certificate_is_not_accepted_where_nobody_compares_it(
    running: RunningSite, sealock: Sealock, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    os.write(write, TEXT.encode())
    os.close(write)
    with os.fdopen(read) as piped:
        monkeypatch.setattr("sys.stdin", piped)
        code, _, err = sealock("login", running.url, "--token", "-")
    assert code == 2 and "Nobody is here to compare" in err
    assert SignIns().current() is None


@pytest.mark.parametrize("answer", ["n", ""])
def test_who_does_not_confirm_the_fingerprint_is_not_asked_for_a_password(
    answer: str, running: RunningSite, sealock: Sealock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter([answer])  # asked for more than the fingerprint, it raises
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: next(answers))
    asked: list[str] = []
    monkeypatch.setattr("click.termui.hidden_prompt_func", typed_into(asked))
    assert sealock("login", running.url)[0] == 2
    assert not asked and SignIns().current() is None


def test_another_fingerprint_is_refused(
    running: RunningSite, sealock: Sealock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    code, _, err = sealock("login", running.url, "--fingerprint", "ab" * 32)
    assert code == 2 and "another authority than the one you named" in err


def test_who_shows_the_true_authority_but_is_not_certified_by_it_gets_nothing(
    sealock: Sealock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: somebody between passes on the true authority's certificate, which anybody can have, and
    answers with a certificate of their own."""
    true = Authority(tmp_path / "true", ["localhost"]).certificate().read_text()
    seen: list[tuple[str, bytes | None]] = []

    async def between(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        seen.append((scope["path"], headers.get(b"authorization")))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": true.encode()})

    async def attack() -> tuple[int, str, str]:
        (tmp_path / "false").mkdir(mode=0o700)
        async with served(tmp_path / "false", lambda _: between) as website:
            url = f"https://localhost:{website.https}"
            told = ("login", url, "--fingerprint", fingerprint_of(true))
            return await asyncio.to_thread(sealock, *told)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked: list[str] = []
    monkeypatch.setattr("click.termui.hidden_prompt_func", typed_into(asked))
    code, _, err = asyncio.run(attack())
    assert code == 3 and "is not the server" in err
    assert seen == [("/authority.pem", None)] and not asked


def test_a_token_as_an_argument_is_refused_and_not_repeated(sealock: Sealock) -> None:
    code, out, err = sealock("login", "https://ci.example", "--token", TEXT)
    assert code == 2 and "others on this host could see" in err
    assert TEXT not in out + err


def test_neither_token_nor_password_is_in_any_output(
    running: RunningSite, sealock: Sealock, signed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALOCK_TRACEBACK", "1")
    told = ""
    for command in (
        ("whoami",),
        ("whoami", "--json"),
        ("builds", "list", "--json"),
        ("builds", "show", "nothing"),
        ("logs", "nothing"),
        ("workers", "remove", "nothing", "--yes"),
        ("login", "https://localhost:1", "--fingerprint", "ab" * 32),
        ("logout",),
        ("builds", "list"),
    ):
        told += "".join(map(str, sealock(*command)))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "ada@example.com")
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: PASSWORD + " wrong")
    fingerprint = fingerprint_of(running.authority)
    code, out, err = sealock("login", running.url, "--fingerprint", fingerprint)
    assert code == 2
    assert signed_in not in told and "slk_" not in told
    assert PASSWORD not in told + out + err


def test_the_token_is_in_no_programs_arguments_or_environment(running: RunningSite, tmp_path: Path) -> None:
    """As other users of the host see it: /proc, from before the command has read it until it ends."""
    code = "import sys; from sealock.cli.main import run_command_line; sys.exit(run_command_line(None))"
    arguments = ["login", running.url, "--token", "-", "--fingerprint", fingerprint_of(running.authority)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"XDG_CONFIG_HOME": str(tmp_path / "config")},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        token = running.call(running.site.token())
        process.stdin.write(token.encode())
        process.stdin.close()
        seen = b""
        while process.poll() is None:
            seen += b"".join(shown for _, shown in places())
        said = process.stdout.read()
    assert process.returncode == 0, said
    assert b"--token\0-\0" in seen
    assert token.encode() not in seen + said
    assert (kept := SignIns().current()) is not None and kept.token.reveal() == token.encode()


def harmless(text: str) -> bool:
    """Nothing in it that a terminal would act on, colours aside."""
    return re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", re.sub(r"\x1b\[[0-9;:]*m", "", text)) is None


def test_hostile_names_and_messages_do_nothing_in_a_terminal(
    running: RunningSite, sealock: Sealock, signed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealock.cli.watch_display.wants_colour", lambda: True)
    monkeypatch.setattr("sealock.cli.server_logs.wants_colour", lambda: True)
    site = running.site
    printed = [f"out{ESCAPES}", "two"]
    made = site.build(
        Outcome.RED, log=printed, branch=f"b{ESCAPES}", message=f"m{ESCAPES}", author=f"a{ESCAPES}"
    )
    build = running.call(made)
    for command in (
        ("builds", "list"),
        ("builds", "show", build),
        ("watch", build),
        ("logs", build),
        ("logs", build, "-f"),
        ("logs", build, "--failed"),
        ("logs", build, "--json"),
        ("cancel", build),
        ("projects", "show", f"x{ESCAPES}"),
        ("logs", f"x{ESCAPES}"),
    ):
        _, out, err = sealock(*command)
        assert out + err
        assert harmless(out) and harmless(err), command
        assert not any(line.startswith("not a line of ours") for line in (out + err).splitlines()), command


@pytest.mark.parametrize(
    "html",
    [
        "a\x1b]0;owned\x07b",
        "a&#27;]0;owned&#7;b",
        "<span class='t-fg-1;31m\x1b]0;x\x07'>ab</span>",
        "<span class='t-fg-999 t-bg-256 \x1b[2J'>ab</span>",
        "a\r\n\x9b2Jb",
    ],
)
def test_a_line_that_the_server_calls_safe_is_made_safe_here(html: str) -> None:
    for colour in (True, False):
        text = line_text(html, colour=colour)
        assert harmless(text) and "\n" not in text
        assert colour or "\x1b" not in text


def test_an_error_of_a_hostile_server_does_nothing_in_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    from sealock.cli.errors import tell

    told = {"detail": f"d{ESCAPES}", "fields": [{"field": ESCAPES, "reason": ESCAPES}], "request_id": ESCAPES}
    for status in (400, 401, 404, 429, 500):
        content = httpx2.Response(status, json=told, headers={"retry-after": "1\x1b[2J"})

        async def ask(answer: httpx2.Response = content) -> None:
            async with Api("https://ci.example", transport=Recorder(answer)) as api:
                await api.change("DELETE", "tokens", "x")

        with pytest.raises(SealockError) as caught:
            asyncio.run(ask())
        tell(caught.value)
        assert harmless(capfd.readouterr().err)
