"""`sealock up`: the whole server as it is started, with real machines; its parts die, it dies, it stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from scripts.sample.git_server import GitServer
from sealock.core.image import Image
from sealock.machines.marks import start_time
from sealock.machines.reaper import HostReaper
from tests.support import own_users
from tests.support.ended_builds import Kept, Logs
from tests.support.traces import left, traces
from tests.support.up import PATIENCE, Up

pytestmark = pytest.mark.slow

BEGUN, LAST = "the tests begin", "that was all of it"
LINES = 60
PLAN = f"""\
image: base
network: none
test:
  unit:
    - echo "{BEGUN}"
    - for n in $(seq {LINES}); do echo "number $n."; sleep 0.2; done
    - echo "{LAST}"
"""


@pytest.fixture
def up(tmp_path: Path, machine_runtime: Path, base_image: Image) -> Iterator[Up]:
    """Not started yet. Nothing of it may be left."""
    before = traces()
    made = Up(tmp_path, machine_runtime)
    try:
        yield made
    finally:
        if hasattr(made, "process"):
            children = made.children() if made.process.poll() is None else []
            made.stop()
            for child in children:  # of one that had to be killed
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
    assert left(before) == set()
    # Of processes, which may be of a test beside this one, `left` has told.
    assert [
        each for each in HostReaper(machine_runtime).find() if each.orphaned and each.kind != "process"
    ] == []


@pytest.fixture
def project(up: Up, tmp_path: Path) -> Iterator[str]:
    """It runs, and has a project. Its id."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "sealock.yml").write_text(PLAN)
    with GitServer(tmp_path / "git") as git:
        git.publish("sample.git", tree)
        up.start()
        up.sign_up()
        new = {"name": "sample", "address": git.address("sample.git"), "host_keys": [git.host_key]}
        made = up.ask("POST", "projects", new)
        git.authorize(made["public_key"], "sample.git")
        yield made["id"]


def start_build(up: Up, project: str) -> str:
    return str(up.ask("POST", f"projects/{project}/builds", {"pipelines": []})["id"])


def kept_of(up: Up) -> Kept:
    """What its database has, once it has ended."""
    return asyncio.run(Kept.read(f"sqlite:///{up.data}/server.db"))


def all_numbers(log: bytes) -> bool:
    """Each line is there once, in order."""
    said = [
        line.partition(b"number ")[2] for line in log.splitlines() if b"number " in line and b"$n" not in line
    ]
    return said == [b"%d." % n for n in range(1, LINES + 1)]


def test_parts_that_die_are_started_again_and_builds_go_on(up: Up, project: str) -> None:
    build = start_build(up, project)
    up.running(build, BEGUN)
    os.kill(up.child("web"), signal.SIGKILL)
    up.until(lambda: "sealock: the website ended (SIGKILL); it is started again in" in up.output)
    up.until(lambda: up.output.count("website: serving on") == 2)
    os.kill(up.child("keeper"), signal.SIGKILL)
    up.until(lambda: "sealock: the keeper ended (SIGKILL); it is started again in" in up.output)
    ended = up.ended(build)
    assert (ended["status"], ended["attempt"]) == ("green", 1), up.output
    log = up.ask("GET", f"builds/{build}/log/raw")
    assert all_numbers(log), log
    assert LAST.encode() in log
    os.kill(up.child("worker"), signal.SIGKILL)
    up.until(lambda: "sealock: the worker ended (SIGKILL)" in up.output)

    second = start_build(up, project)
    up.running(second, BEGUN)
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(PATIENCE) == 0, up.output
    assert "Stopping: builds that run may finish" in up.output
    kept = kept_of(up)
    assert kept.outcomes == {"green": 2}
    assert kept.kinds["claimed"] == 2
    kept.check({"1": build, "2": second})
    assert Logs(up.root).check(kept, last=LAST.encode(), secret=b"nothing secret") == 2


def test_killed_it_leaves_nothing_and_the_next_goes_on(up: Up, project: str) -> None:
    build = start_build(up, project)
    up.running(build, BEGUN)
    children = up.children()
    assert len(children) == 3
    up.process.kill()
    up.process.wait()
    up.close()
    up.until(lambda: all(start_time(child) is None for child in children))
    up.start()
    ended = up.ended(build)
    assert (ended["status"], ended["attempt"]) == ("green", 2), up.output

    third = start_build(up, project)
    up.running(third, BEGUN)
    up.process.send_signal(signal.SIGTERM)
    up.until(lambda: "stopping: 1 builds go on" in up.output)
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(PATIENCE) == 0, up.output
    kept = kept_of(up)
    assert kept.queued[third].state == "queued", "it is tried again after the next start"
    assert kept.kinds["put-back"] == 2
    up.close()
    up.start()
    assert up.ended(third)["status"] == "green"


@pytest.fixture
def apart(up: Up, machine_runtime: Path) -> Iterator[None]:
    """Keeper and website have users of their own."""
    up.python = own_users.python_for_all()
    up.environment |= {**own_users.SETTINGS, "PYTHONPATH": own_users.libraries()}
    own_users.let_pass(up.root)
    yield
    if hasattr(up, "process"):
        up.stop()
    # Its keeper may not, in a directory of root's.
    (machine_runtime / "keeper.sock").unlink(missing_ok=True)


@pytest.mark.usefixtures("apart")
def test_with_users_of_their_own_it_builds_and_goes_on_beside_roots_commands(up: Up, project: str) -> None:
    data = up.data
    assert {uid_of(up.child(name)) for name in ("keeper", "worker")} == {own_users.KEEPER_ID, 0}
    assert uid_of(up.child("web")) == own_users.WEBSITE_ID
    up.ask("PUT", f"projects/{project}/secrets/TOKEN", {"value": "the value"})
    first = start_build(up, project)
    assert up.ended(first)["status"] == "green", up.output
    up.run("backup", str(up.root / "kept.backup"))
    up.run("keys", "rotate")
    assert up.run("authority") == (data / "authority" / "certificate.pem").read_text()
    assert up.stop() == 0
    up.start()
    second = start_build(up, project)
    assert up.ended(second)["status"] == "green", up.output
    assert all_numbers(up.ask("GET", f"builds/{second}/log/raw"))
    up.ask("DELETE", f"projects/{project}")
    assert up.stop() == 0
    for name in ("website", "keys", "logs", "sealed", "authority"):
        found = {path: path.lstat().st_uid for path in (data / name).rglob("*")}
        assert set(found.values()) <= {own_users.WEBSITE_ID}, found
    assert {path.lstat().st_uid for path in (data / "keeper").rglob("*")} == {own_users.KEEPER_ID}


def uid_of(process: int) -> int:
    """Whom it runs as."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("Uid:")))


def test_killed_and_started_at_once_it_comes_up(up: Up, project: str) -> None:
    build = start_build(up, project)
    up.running(build, BEGUN)
    up.process.kill()
    up.process.wait()
    up.close()
    up.start()
    ended = up.ended(build)
    assert ended["status"] == "green", up.output
    assert up.stop() == 0
    kept_of(up).check({"1": build})


def test_it_goes_on_and_stops_when_nobody_reads_what_it_says(up: Up) -> None:
    """As behind a terminal that was closed: it has lines to say when a part dies, and at its end."""
    up.start()
    up.stop_reading()
    website = up.child("web")
    os.kill(website, signal.SIGKILL)
    up.until(lambda: website not in up.children())
    assert up.child("web") != website
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("setting", ["listen", "worker_listen"])
def test_a_port_that_is_taken_is_told_with_its_setting(up: Up, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = f"127.0.0.1:{taken.getsockname()[1]}"
        up.start(ready=False, **{f"SEALOCK_{setting.upper()}": port})
        up.until(lambda: up.process.poll() is not None)
    assert up.process.returncode != 0
    assert f"The website cannot listen on {port}" in up.output
    assert f"in the setting {setting}," in up.output


def test_a_second_server_on_one_database_is_refused(up: Up, tmp_path: Path) -> None:
    up.start()
    second = Up(tmp_path, tmp_path / "run")
    second.start(ready=False)
    second.until(lambda: second.process.poll() is not None)
    assert second.process.returncode != 0
    assert "another server is using the database" in second.output
    assert up.process.poll() is None
    assert up.stop() == 0
