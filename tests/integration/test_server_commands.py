"""The command line against a whole website over TLS, as a person uses it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.cli.main import run_command_line
from sealock.cli.sign_ins import SignIn, SignIns
from sealock.cli.trust import fingerprint_of
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.builds import run_id
from sealock.core.release import Basis, Entry, Released
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.core.secret import Secret
from tests.support.server_commands import NoTools, Sealock, calling
from tests.support.site_log import MemoryLog
from tests.support.site_thread import RunningSite, site_in_thread
from tests.support.website import PASSWORD

RELEASED = Released(
    *("", "p", "variable", "TOKEN", 1, Basis.LEASE, "1" * 32, "", 1),
    *("test:unit", "worker", "worker", "ab" * 32),
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningSite]:
    with site_in_thread(tmp_path / "site") as site:
        yield site


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config/sealock/servers.json"


@pytest.fixture
def sealock(capfd: pytest.CaptureFixture[str]) -> Sealock:
    return calling(capfd)


@pytest.fixture
def signed_in(running: RunningSite) -> SignIn:
    token = running.call(running.site.token())
    made = SignIn(running.url, Secret(token.encode()), "ada@example.com", running.authority, "key")
    SignIns().keep(made)
    return made


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Somebody at a terminal, and what they answer."""
    answers = {"E-mail address": "ada@example.com", "Password": PASSWORD, "Are they the same?": "y"}

    def answer(text: str) -> str:
        return next(value for asked, value in answers.items() if asked in text)

    monkeypatch.setattr("click.termui.visible_prompt_func", answer)
    monkeypatch.setattr("click.termui.hidden_prompt_func", answer)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    return answers


def test_signing_in_keeps_a_token_for_this_host_alone(
    running: RunningSite, sealock: Sealock, person: dict[str, str], config: Path
) -> None:
    code, out, err = sealock("login", running.url)
    assert code == 0, err
    assert f"Signed in to {running.url} as ada@example.com" in out
    assert fingerprint_of(running.authority) in err
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    kept = config.read_text()
    assert "slk_" in kept and PASSWORD not in kept
    tokens = running.call(running.site.tokens.all_of(running.site.owner))
    assert [one.name for one in tokens] == [f"sealock on {os.uname().nodename}"]
    assert running.call(running.site.sessions.all_of(running.site.owner)) == []
    assert "ada@example.com" in sealock("whoami")[1]


def test_a_fingerprint_or_a_file_takes_the_place_of_the_question(
    running: RunningSite, sealock: Sealock, person: dict[str, str], tmp_path: Path
) -> None:
    person.pop("Are they the same?")
    told = fingerprint_of(running.authority).upper()
    paired = ":".join(told[i : i + 2] for i in range(0, 64, 2))
    assert sealock("login", running.url, "--fingerprint", paired)[0] == 0
    authority = tmp_path / "ca.pem"
    authority.write_text(running.authority)
    assert sealock("login", running.url, "--ca", str(authority))[0] == 0


def test_a_wrong_password_is_not_answered_with_what_was_just_done(
    running: RunningSite, sealock: Sealock, person: dict[str, str], config: Path
) -> None:
    person["Password"] = "not that one, surely"
    code, _, err = sealock("login", running.url)
    assert code == 2 and "Run the command again" in err and "Sign in: sealock login" not in err
    assert not config.exists()


def test_signing_out_ends_the_token(running: RunningSite, sealock: Sealock, signed_in: SignIn) -> None:
    assert sealock("logout")[0] == 0
    assert running.call(running.site.tokens.all_of(running.site.owner)) == []
    assert SignIns().current() is None
    code, _, err = sealock("builds", "list")
    assert code == 2 and "sealock login" in err


def test_a_token_that_was_revoked_says_how_to_go_on(
    running: RunningSite, sealock: Sealock, signed_in: SignIn
) -> None:
    [token] = running.call(running.site.tokens.all_of(running.site.owner))
    assert running.call(running.site.tokens.revoke(running.site.owner, token.id))
    code, _, err = sealock("builds", "list")
    assert code == 2 and f"sealock login {running.url}" in err
    assert sealock("logout")[0] == 0


def test_builds_are_listed_and_named_three_ways(
    running: RunningSite, sealock: Sealock, signed_in: SignIn
) -> None:
    code, out, _ = sealock("builds", "list")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == ["queued", "running", "red", "green"]
    listed = json.loads(sealock("builds", "list", "--outcome", "red", "--json")[1])
    assert [one["id"] for one in listed["items"]] == [running.site.red]
    for named in (running.site.red, "shop#2"):
        code, out, _ = sealock("builds", "show", named)
        assert code == 0 and out.startswith("shop#2  ✘ red")
        assert out.endswith(f"{running.url}/builds/{running.site.red}\n")
    assert sealock("builds", "show", "shop")[1].startswith("shop#4")
    for named in ("shop#99", "nothing", "f" * 32, running.site.foreign_build, "bank"):
        code, out, _ = sealock("builds", "show", named)
        assert (code, out) == (2, ""), named


def test_a_build_is_started_cancelled_and_run_again(
    running: RunningSite, sealock: Sealock, signed_in: SignIn
) -> None:
    code, out, _ = sealock("builds", "start", "shop", "--ref", "main")
    assert code == 0 and out.startswith(f"Started shop#5: {running.url}/builds/")
    code, out, _ = sealock("cancel", "shop#5")
    assert code == 0 and "cancelled" in out and "had ended" not in out
    code, out, _ = sealock("cancel", running.site.green)
    assert code == 0 and "green  it had ended, nothing was cancelled\n" in out
    made = json.loads(sealock("rerun", "shop#2", "--failed", "--json")[1])
    assert made["pipelines"] == ["unit"] and made["restart_of"] == running.site.red
    code, _, err = sealock("rerun", running.site.green, "--failed")
    assert code == 2 and "Nothing of the build failed" in err


def test_a_watched_build_ends_as_the_build_did(
    running: RunningSite, sealock: Sealock, signed_in: SignIn
) -> None:
    build = running.site.running

    def end() -> None:
        time.sleep(1.5)
        running.loop.call_soon_threadsafe(lambda: running.site.log(build).add("and then", complete=True))
        running.call(running.site.finish(build, Outcome.RED))

    worker = threading.Thread(target=end)
    worker.start()
    code, out, err = sealock("watch", build)
    worker.join()
    assert code == 1, err
    assert out.index("==> machine") < out.index("==> test:unit")
    assert "setting up\n" in out and "and then\n" in out
    assert out.count("make test ended with 1") == 1
    assert out.endswith(f"{running.url}/builds/{build}\n")
    assert sealock("watch", running.site.green, "--quiet")[0] == 0
    events = [json.loads(line) for line in sealock("watch", build, "--json")[1].splitlines()]
    assert events[-1]["event"] == "result" and events[-1]["exit_code"] == 1


def test_logs_are_read_followed_and_removed(
    running: RunningSite, sealock: Sealock, signed_in: SignIn
) -> None:
    code, out, err = sealock("logs", "shop#2")
    assert code == 0 and "setting up\n" in out and "\x1b" not in out
    assert f"{running.url}/builds/{running.site.red}/log" in err
    code, out, _ = sealock("logs", "show", running.site.red, "--failed")
    assert code == 0 and ">     3  FAILED tests/test_shop.py" in out and out.startswith("$ make test")
    assert sealock("logs", running.site.green, "-f")[1].startswith("setting up\n")
    lines = [json.loads(line) for line in sealock("logs", running.site.red, "--json")[1].splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3, 4]
    assert sealock("logs", "remove", running.site.red, "--yes")[0] == 0
    assert sealock("logs", running.site.red)[0] == 2


def test_each_attempt_of_a_build_can_be_asked_for(
    running: RunningSite, sealock: Sealock, signed_in: SignIn
) -> None:
    site = running.site
    run = run_id(site.red, 2)
    running.call(site.add_attempt(site.red, b"second"))
    site.shelf.logs[LOCAL_ACCOUNT, site.project.id, run] = MemoryLog(["the second"])
    assert sealock("logs", "shop#2")[1] == "the second\n"
    for how in ([], ["--follow"]):
        assert sealock("logs", "shop#2", "--attempt", "1", *how)[1].startswith("setting up\n")
    assert ">     3  FAILED" in sealock("logs", "shop#2", "--attempt", "1", "--failed")[1]
    assert "second" not in sealock("logs", "shop#2", "--attempt", "1", "--json")[1]
    code, _, err = sealock("logs", "shop#2", "--attempt", "3")
    assert code == 2 and "no attempt 3 of shop#2: it was tried 2 times" in err
    for attempt, of in ((1, site.red), (2, run)):
        fact = replace(RELEASED, account=LOCAL_ACCOUNT, name=f"TOKEN_{attempt}", build=of)
        site.exposures.entries.append(Entry(attempt, 1.0, fact, "0" * 64, "a" * 64))
    lines = sealock("secrets", "exposures", "shop#2")[1].splitlines()
    assert ["TOKEN_1" in lines[0], "TOKEN_2" in lines[1]] == [True, True]
    [one] = json.loads(sealock("secrets", "exposures", "shop#2", "--attempt", "1", "--json")[1])["items"]
    assert (one["name"], one["attempt"]) == ("TOKEN_1", 1)
    assert sealock("logs", "remove", "shop#2", "--attempt", "1", "--yes")[0] == 0
    assert sealock("logs", "shop#2", "--attempt", "1")[0] == 2
    assert sealock("logs", "shop#2")[0] == 0


def test_secrets_go_in_and_are_listed(
    running: RunningSite, sealock: Sealock, signed_in: SignIn, tmp_path: Path
) -> None:
    value = tmp_path / "value"
    value.write_bytes(b"hunter2 \xc3\xbc\n\n")
    code, out, _ = sealock("secrets", "set", "shop", "PASSWORD", "--file", str(value), "--any-branch")
    assert code == 0 and "version 1" in out and "every branch" in out
    assert f"It is for code of {running.site.project.address} alone." in out
    code, _, err = sealock("secrets", "set", "shop", "OTHER", "--file", str(value), "--directories")
    assert code == 2 and "a server builds no directories" in err
    assert running.site.kept_secrets() == {"PASSWORD": b"hunter2 \xc3\xbc\n\n"}
    assert "PASSWORD" in sealock("secrets", "list", "shop")[1]
    assert (
        json.loads(sealock("secrets", "history", "shop", "PASSWORD", "--json")[1])["items"][0]["version"] == 1
    )
    assert sealock("secrets", "remove", "shop", "PASSWORD", "--yes")[0] == 0
    assert "no secrets" in sealock("secrets", "list", "shop")[1]
    for how in ([], ["--json"]):
        code, out, err = sealock("secrets", "history", "shop", "NOPE", *how)
        assert (code, out) == (2, "") and "shop never had a secret NOPE" in err
    code, out, _ = sealock("secrets", "exposures", running.site.green)
    assert code == 0 and "has nothing that was given to that build" in out


def test_projects_are_made_changed_and_removed(
    running: RunningSite, sealock: Sealock, signed_in: SignIn
) -> None:
    key = running.site.project.host_keys[0]
    made = ("projects", "add", "lamp", "git@git.example.com:team/lamp.git", "--host-key", key)
    code, out, err = sealock(*made)
    assert code == 0 and "ssh-ed25519" in out, err
    assert sealock(*made)[0] == 2
    assert [line.split()[0] for line in sealock("projects", "list")[1].splitlines()] == ["lamp", "shop"]
    code, out, err = sealock(
        "projects", "settings", "lamp", "--protected", "main, live", "--max-running", "2"
    )
    assert code == 0 and "main, live" in out, err
    assert "keep logs       as the installation has it (for ever)\n" in out
    assert "image           as the installation has it\n" in out
    code, _, err = sealock("projects", "settings", "lamp", "--keep-logs", "9000000")
    assert code == 2 and "  --keep-logs: It must be at most" in err
    found = json.loads(sealock("projects", "settings", "lamp", "--max-running", "", "--json")[1])
    assert found["settings"]["max_running"] is None
    assert found["settings"]["protected"] == ["main", "live"]
    assert f"{running.url}/hooks/git/" in sealock("projects", "hook", "lamp", "--reset")[1]
    assert "sealed" not in sealock("projects", "show", "lamp")[1]
    assert sealock("projects", "reset-key", "lamp", "--yes")[0] == 0
    assert sealock("projects", "remove", "lamp", "--yes")[0] == 0
    assert sealock("projects", "show", "lamp")[0] == 2


def test_a_host_key_nobody_knows_is_to_be_given_with_its_option(
    running: RunningSite, sealock: Sealock, signed_in: SignIn
) -> None:
    new = ("projects", "add", "lamp", "git@git.elsewhere.example:team/lamp.git")
    code, _, err = sealock(*new)
    assert code == 2 and "  --host-key: The host key of git.elsewhere.example is not known" in err
    assert "with --host-key LINE" in err
    code, _, err = sealock("projects", "add", "lamp", "no address")
    assert code == 2 and "  URL: " in err and "--host-key" not in err


def test_workers_are_added_invited_drained_and_removed(
    running: RunningSite, sealock: Sealock, signed_in: SignIn
) -> None:
    code, out, err = sealock("workers", "add", "builder-9", "--label", "arm64")
    assert code == 0 and len(out.split()) == 1, err
    assert "https://localhost:PORT" in err and "worker_listen" in err, "the address is not known"
    assert "to join" in sealock("workers", "list")[1]
    object.__setattr__(running.site.service.site, "workers", "https://ci.example.com:8444")
    _, again, err = sealock("workers", "invite", "builder-9")
    assert "--server https://ci.example.com:8444 --state" in err and "PORT" not in err
    assert again and again != out
    code, out, _ = sealock("workers", "drain", "builder-9")
    assert code == 0 and "it still has no build." in out
    assert sealock("workers", "remove", "builder-9", "--yes")[0] == 0
    assert sealock("workers", "invite", "builder-9")[0] == 2


@pytest.mark.parametrize("known", [True, False])
def test_a_worker_says_whether_the_keeper_knows_it(
    running: RunningSite, sealock: Sealock, signed_in: SignIn, known: bool
) -> None:
    """A website that may not remove it there says how that is done."""
    name, key, workers = f"builder-{known}".lower(), bytes(range(32)), running.site.workers
    assert sealock("workers", "add", name)[0] == 0
    made = running.call(workers.named(name))
    assert made is not None and running.call(workers.joined(made.id, bytes([known]) * 32))
    running.call(workers.known(made.id, key, known=known))
    out = sealock("workers", "list")[1]
    admit = f"sealock keeper workers admit {name} {key.hex()}"
    assert (admit in out) is ("not known to the keeper" in out) is not known
    [listed] = [
        one for one in json.loads(sealock("workers", "list", "--json")[1])["items"] if one["id"] == made.id
    ]
    assert (listed["key"], listed["known"]) == (key.hex(), known)
    out = sealock("workers", "remove", name, "--yes")[1]
    assert (f"sealock keeper workers remove {name}" in out) is known


def test_a_receipt_comes_from_the_server_and_is_checked_here(
    running: RunningSite, sealock: Sealock, signed_in: SignIn
) -> None:
    seen: list[tuple[bytes, bytes | None]] = []

    class Tools(NoTools):
        def verifier(self) -> object:
            from sealock.core.decision import Denied
            from sealock.core.receipt import Check, Verification

            class Recording:
                def verify(self, data: bytes, key: bytes | None) -> Verification:
                    seen.append((data, key))
                    return Verification((Check("the form", None, Denied("no")),), "k" * 64, ())

            return Recording()

    running.call(running.site.add_attempt(running.site.green, b"second"))
    assert run_command_line(Tools(), ["receipt", "verify", "shop#1"]) == 1  # type: ignore[arg-type]
    assert run_command_line(Tools(), ["receipt", "verify", "shop#1", "--attempt", "1"]) == 1  # type: ignore[arg-type]
    assert seen == [(b"second", b"key"), (b'{"payload":"receipt"}\n', b"key")]


def test_a_build_that_waits_is_waited_for(running: RunningSite, sealock: Sealock, signed_in: SignIn) -> None:
    def go() -> None:
        time.sleep(1.2)
        running.call(running.site.queue.cancel(running.site.queued, "enough"))

    other = threading.Thread(target=go)
    other.start()
    code, out, _ = sealock("watch")
    other.join()
    assert code == 1
    assert "shop#4" in out and "--- waits" in out and "cancelled" in out
    assert BuildState.ENDED is running.call(running.site.view(running.site.queued)).state


def test_ctrl_c_stops_the_watching_and_not_the_build(
    running: RunningSite, signed_in: SignIn, config: Path
) -> None:
    code = "import sys; from sealock.cli.main import run_command_line; sys.exit(run_command_line(None))"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code, "watch", running.site.running],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any("1 failed" in line for line in process.stdout), "the log did not come"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "The build goes on" in err and "Traceback" not in err
    view = running.call(running.site.view(running.site.running))
    assert view.state is BuildState.RUNNING and not view.stopping
