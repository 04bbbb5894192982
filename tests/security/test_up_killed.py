"""kill -9 of a server's parts and of real machines' processes while it builds: what `test_server_killed`
shows with stand-ins and hundreds of kills, with everything as it is and a few."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from scripts.sample.git_server import GitServer
from sealock.core.image import Image
from sealock.machines.marks import start_time
from sealock.machines.reaper import HostReaper, marked_processes
from tests.support.ended_builds import Kept, Logs
from tests.support.search import found, places
from tests.support.traces import left, traces
from tests.support.up import Up

pytestmark = pytest.mark.slow

VICTIMS = (
    "website",
    "website",
    "website",
    "keeper",
    "keeper",
    "worker",
    "worker",
    "machine",
    "machine",
    "machine",
)
COMMANDS = {"website": "web", "keeper": "keeper", "worker": "worker"}
AT_LEAST = 3
"""Builds that are asked for and have not ended."""

LONGEST_PAUSE = 6.0
"""Seconds from when a machine runs until something is killed."""

LAST = "that was all of it"
PLAN = f"""\
image: base
network: none
test:
  unit:
    commands:
      - for n in $(seq 20); do echo "line $n, and $TOKEN"; sleep 0.1; done
      - echo "{LAST}"
    secrets: [TOKEN]
"""


@dataclass
class Stream:
    """Builds of one project, asked for one after the other."""

    up: Up
    project: str
    asked: dict[str, str] = field(default_factory=dict)

    def fill(self) -> None:
        """Ask for as many as are to be open."""
        for _ in range(AT_LEAST - len(self.open())):
            made = self.up.ask("POST", f"projects/{self.project}/builds", {"pipelines": []})
            self.asked[str(len(self.asked))] = made["id"]

    def ended(self) -> int:
        """How many have."""
        return len(self.asked) - len(self.open())

    def has_ended_more_than(self, number: int) -> bool:
        """Of its builds."""
        return self.ended() > number

    def open(self) -> set[str]:
        """Those that have not ended."""
        states = ("queued", "running", "queued")  # one that is put back goes from the second to the first
        asked = (self.up.ask("GET", f"builds?state={state}")["items"] for state in states)
        return {each["id"] for items in asked for each in items}


@pytest.fixture
def up(tmp_path: Path, machine_runtime: Path, base_image: Image) -> Iterator[Up]:
    before = traces()
    made = Up(tmp_path, machine_runtime)
    try:
        made.start()
        made.sign_up()
        yield made
    finally:
        made.stop()
    assert left(before) == set()
    # Of processes, which may be of a test beside this one, `left` has told.
    assert [
        each for each in HostReaper(machine_runtime).find() if each.orphaned and each.kind != "process"
    ] == []


def machines_of(worker: int) -> list[int]:
    """The processes of that worker's machines."""
    return [pid for pid, _, owner in marked_processes() if owner.pid == worker]


def kill(up: Up, victim: str, chance: random.Random) -> None:
    """Once something is built, and a moment later. What runs a build is killed while it does."""
    up.until(lambda: machines_of(up.child("worker")) != [], every=0.2)
    time.sleep(chance.uniform(0.0, LONGEST_PAUSE))
    if victim in {"worker", "machine"}:
        up.until(lambda: machines_of(up.child("worker")) != [], every=0.02)
    if victim != "machine":
        process = up.child(COMMANDS[victim])
        os.kill(process, signal.SIGKILL)
        up.until(lambda: start_time(process) is None)  # or the next one might be meant for it, too
        return
    for pid in machines_of(up.child("worker"))[:1]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_with_real_machines_each_build_ends_once_and_nothing_is_left(
    up: Up, tmp_path: Path, machine_runtime: Path
) -> None:
    seed = secrets.randbits(32)
    chance = random.Random(seed)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "sealock.yml").write_text(PLAN)
    secret = secrets.token_hex(20).encode()
    with GitServer(tmp_path / "git") as git:
        git.publish("sample.git", tree)
        new = {"name": "sample", "address": git.address("sample.git"), "host_keys": [git.host_key]}
        made = up.ask("POST", "projects", new)
        up.ask("PATCH", f"projects/{made['id']}", {"supersede": "nothing"})
        up.ask("PUT", f"projects/{made['id']}/secrets/TOKEN", {"value": secret.decode()})
        git.authorize(made["public_key"], "sample.git")
        stream = Stream(up, made["id"])
        stream.fill()
        up.until(lambda: stream.ended() > 0, every=1.0)  # the template is made by the first
        for number, victim in enumerate(chance.sample(VICTIMS, len(VICTIMS))):
            stream.fill()
            before = stream.ended()
            kill(up, victim, chance)
            if number % 2:  # else nothing would ever come to its end
                up.until(partial(stream.has_ended_more_than, before), every=1.0)
        up.until(lambda: not stream.open(), every=1.0)
        assert up.stop() == 0, up.output
    kept = asyncio.run(Kept.read(f"sqlite:///{up.data}/server.db"))
    told = f"seed {seed}, {kept.kinds}, {kept.outcomes}\n{up.output}"
    print(told)
    kept.check(stream.asked)
    assert Logs(up.root).check(kept, last=LAST.encode(), secret=secret) >= AT_LEAST, told
    assert kept.kinds["put-back"] >= 1, told
    ended = Counter(line.split(" ended (")[0] for line in up.lines if " ended (SIGKILL)" in line)
    assert ended == {f"sealock: the {name}": VICTIMS.count(name) for name in COMMANDS}, told
    assert found([secret], places(tmp_path, machine_runtime)) == []
