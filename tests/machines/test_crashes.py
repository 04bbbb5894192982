"""`sealock run` is killed, interrupted and robbed of its processes at every point: nothing of it stays."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from scripts.sample.git_server import GitServer
from sealock.machines import marks
from sealock.machines.marks import PREFIX
from sealock.machines.reaper import HostReaper, marked_processes
from tests.support.checkout import git, make_repository
from tests.support.installation import Installation
from tests.support.machines import assert_runtime_is_clean
from tests.support.traces import left, traces

pytestmark = pytest.mark.slow

PLAN = """\
image: base
network: internet
setup: ["echo set up"]
test: ["echo begun", "for n in 1 2 3; do echo $n; sleep 0.3; done; sleep 3", "echo done"]
"""
SOON = 60.0
"""Seconds on a busy host, for what takes a moment."""

# What is waited for in the JSON lines, and seconds to wait after it.
POINTS = {
    "at the start": ("", 0.2),
    "machine": ('"name": "machine"', 0.0),
    "machine, later": ('"name": "machine"', 0.3),
    "fetch": ('"name": "fetch"', 0.2),
    "setup": ('"name": "setup"', 0.0),
    "output": ('"text": "3', 0.0),
    "end": ('"phase-started", "name": "end"', 0.0),
}


class Run(subprocess.Popen[str]):
    """A `sealock run` in a session of its own, whose JSON lines are read up to a point."""

    def reach(self, text: str, then: float = 0.0) -> None:
        assert self.stdout is not None
        if text:
            seen = []
            for line in self.stdout:
                seen.append(line)
                if text in line:
                    break
            else:
                pytest.fail(f"{text} did not come: {''.join(seen)}{self.stderr and self.stderr.read()}")
        time.sleep(then)

    def result(self) -> dict[str, object]:
        """The last line, once it has ended."""
        out, err = self.communicate(timeout=120)
        lines = [json.loads(line) for line in out.splitlines()]
        assert lines, err
        assert lines[-1]["event"] == "result", err
        return dict(lines[-1])


@pytest.fixture
def sealock(sealock: Installation) -> Installation:
    make_repository(sealock.source, {"sealock.yml": PLAN})
    return sealock


def start(sealock: Installation, *arguments: str) -> Run:
    run = sealock.start("run", *(arguments or (str(sealock.source), "--working-tree")), "--json", kind=Run)
    assert isinstance(run, Run)
    return run


def machine_of(run: Run) -> dict[str, int]:
    """The processes of its machine, by the first letters of their names."""
    found = {}
    for pid, _, owner in marked_processes():
        if owner.pid == run.pid:
            with suppress(OSError):  # it has ended since
                found[Path(f"/proc/{pid}/comm").read_text()[:4]] = pid
    return found


def reap(sealock: Installation, before: set[tuple[str, str]], runtime: Path) -> None:
    """What the command says it has done is done. Every machine has a mark there before anything else, so what
    is ours can be told from what others on this host have left just now."""
    ours = {mark.machine for mark in marks.find(runtime / "machines")}
    code, out, err = sealock("machines", "reap")
    assert code == 0, out + err
    assert [trace for trace in traces() if any(machine in trace[1] for machine in ours)] == [], out
    assert_runtime_is_clean(runtime)
    orphaned = [each for each in HostReaper(runtime).find() if each.orphaned]
    assert [each for each in orphaned if each.kind != "process" or each.machine in ours] == []
    assert left(before) == set(), out


@pytest.mark.parametrize("point", POINTS)
def test_killed(sealock: Installation, machine_runtime: Path, point: str) -> None:
    before = traces()
    with start(sealock) as run:
        run.reach(*POINTS[point])
        run.kill()
        run.wait()
        # The kernel ends what it had started, before anybody reaps.
        deadline = time.monotonic() + SOON
        while machine_of(run) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert machine_of(run) == {}
    reap(sealock, before, machine_runtime)


def test_killed_at_random_points(sealock: Installation, machine_runtime: Path) -> None:
    """Several in a row, each with what those before it have left, and one reaping for all."""
    before = traces()
    moments = [round(random.uniform(0.3, 4.0), 3) for _ in range(6)]
    for moment in moments:
        with start(sealock) as run:
            run.reach("", moment)
            run.kill()
    try:
        reap(sealock, before, machine_runtime)
    except AssertionError as error:
        raise AssertionError(f"killed after {moments} seconds: {error}") from error


@pytest.mark.parametrize("point", POINTS)
def test_interrupted(sealock: Installation, machine_runtime: Path, point: str) -> None:
    """As Ctrl-C does it in a terminal: everybody in the foreground gets the signal."""
    before = traces()
    with start(sealock) as run:
        run.reach(*POINTS[point])
        os.killpg(run.pid, signal.SIGINT)
        _, err = run.communicate(timeout=SOON)
    assert run.returncode in ({0, 1} if point.startswith("end") else {1, 130, -2}), err
    if point != "at the start":
        assert "Traceback" not in err
        assert run.returncode == 1 or point.startswith("end")
    assert left(before) == set()
    assert_runtime_is_clean(machine_runtime)


def test_killed_while_the_key_is_open(sealock: Installation, machine_runtime: Path, tmp_path: Path) -> None:
    """The agent dies with its run, and its directory is reaped."""
    before = traces()
    with GitServer(tmp_path / "server") as server:
        git(sealock.source, "clone", "-q", "--bare", str(sealock.source), f"{server.directory}/sample.git")
        url = server.address("sample.git")
        code, _, err = sealock("project", "add", "sample", url, "--host-key", server.host_key)
        assert code == 0, err
        server.authorize(sealock("project", "key", "sample")[1], "sample.git")
        # Whoever fetches is kept waiting.
        forced = server.directory / "forced-command"
        forced.write_text(forced.read_text().replace("\ncase", "\nsleep 20\ncase"))
        with start(sealock, url) as run:
            run.reach('"name": "fetch"')
            agents = _agents(machine_runtime)
            run.kill()
            run.wait()
        assert agents
        deadline = time.monotonic() + SOON
        while any(Path(f"/proc/{pid}").exists() for pid in agents) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [pid for pid in agents if Path(f"/proc/{pid}").exists()] == []
        reap(sealock, before, machine_runtime)


def _agents(runtime: Path) -> list[int]:
    """The agents that listen there, once there are any."""
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        time.sleep(0.05)
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if words[0] == b"ssh-agent" and any(str(runtime).encode() in word for word in words):
                    found.append(int(path.parent.name))
        if found:
            return found
    return []


def test_its_qemu_is_killed(sealock: Installation, machine_runtime: Path) -> None:
    before = traces()
    with start(sealock) as run:
        run.reach('"text": "3')
        os.kill(machine_of(run)["qemu"], signal.SIGKILL)
        result = run.result()
    assert (run.returncode, result["outcome"]) == (1, "machine-lost")
    assert left(before) == set()
    assert_runtime_is_clean(machine_runtime)


def test_its_pasta_is_killed(sealock: Installation, machine_runtime: Path) -> None:
    """Without a network the build goes on and comes out by its own commands; nothing is left of it."""
    before = traces()
    with start(sealock) as run:
        run.reach('"text": "3')
        os.kill(machine_of(run)["pass"], signal.SIGKILL)
        result = run.result()
    assert (run.returncode, result["outcome"]) == (0, "green")
    assert left(before) == set()
    assert_runtime_is_clean(machine_runtime)


@pytest.fixture
def empty(sealock: Installation) -> Iterator[Path]:
    """A runtime directory without a template, in place of the session's."""
    with TemporaryDirectory(prefix="sealock-empty-", dir="/dev/shm") as directory:
        sealock.env |= {"SEALOCK_RUNTIME_DIR": directory, "SEALOCK_ACCELERATION": "tcg"}
        yield Path(directory)


def test_killed_while_a_template_is_made(sealock: Installation, empty: Path) -> None:
    before = traces()
    with start(sealock) as run:
        run.reach('"name": "machine"')
        deadline = time.monotonic() + SOON
        while "qemu" not in machine_of(run) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "qemu" in machine_of(run)
        time.sleep(1)  # into the boot, which takes longer
        run.kill()
    reap(sealock, before, empty)
    with start(sealock) as run:
        deadline = time.monotonic() + SOON
        while not list((empty / "templates").glob("*.new")) and time.monotonic() < deadline:
            time.sleep(0.002)
        run.kill()
    reap(sealock, before, empty)
    assert not list((empty / "templates").glob("*.new"))


def test_two_at_once_share_the_making_of_a_template(sealock: Installation, empty: Path) -> None:
    before = traces()
    with start(sealock) as one, start(sealock) as other:
        results = [one.result(), other.result()]
    assert [each["outcome"] for each in results] == ["green", "green"]
    assert len(list((empty / "templates").glob("*/template.json"))) == 1
    ids = {each["record"]["machine"]["id"] for each in results}  # type: ignore[index]
    assert len(ids) == 2
    assert left(before) == set()
    assert_runtime_is_clean(empty)


def test_reaping_leaves_the_living_alone(sealock: Installation) -> None:
    # Two commands are to begin and end meanwhile.
    (sealock.source / "sealock.yml").write_text(PLAN.replace("sleep 3", "sleep 20"))
    with start(sealock) as run:
        run.reach('"text": "1')
        code, out, err = sealock("machines", "reap", "--json")
        assert code == 0, err
        assert run.pid not in {each["owner"] for each in json.loads(out)}
        code, out, _ = sealock("machines", "--json")
        kinds = {each["kind"] for each in json.loads(out) if each["owner"] == run.pid}
        assert {"process", "directory", "network"} <= kinds
        names = {each["name"] for each in json.loads(out) if each["owner"] == run.pid}
        assert any(name.startswith(PREFIX) for name in names)
        assert run.result()["outcome"] == "green"
