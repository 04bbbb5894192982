"""`sealock keeper` and `sealock secrets exposures`, over a keeper of fakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from sealock.core.builds import run_id
from sealock.core.errors import PermanentError
from sealock.core.keeper import KeeperStatus, KnownWorker
from sealock.core.lease import KeeperAway
from sealock.core.release import Basis, Entry, Released

Sealock = Callable[..., tuple[int, str, str]]
RELEASED = Released(
    *("team", "parser", "variable", "TOKEN", 3, Basis.LEASE, "1" * 32, "b1", 2),
    *("test:unit", "worker", "worker", "ab" * 32),
)
FETCHED = Released(
    *("team", "parser", "ssh-key", "ssh-key", 1, Basis.LEASE, "1" * 32, "b1", 2),
    *("", "worker", "worker", "ab" * 32),
)


@dataclass
class FakeKeeper:
    """Runs, answers and tells, or raises what it was told to."""

    error: Exception | None = None
    ended: int = 0
    entries: list[Entry] = field(default_factory=list)
    known: dict[str, bytes] = field(default_factory=dict)

    def run(self, say: Callable[[str], None], *, attended: bool = False) -> None:
        if self.error:
            raise self.error
        say("serving")

    async def status(self) -> KeeperStatus:
        if self.error:
            raise self.error
        return KeeperStatus("1.0", 7, 12, ("memory: locked",))

    async def end_all(self) -> None:
        self.ended += 1

    async def workers(self) -> list[KnownWorker]:
        return [KnownWorker(name, key, 86400.0, "local") for name, key in self.known.items()]

    async def admit_worker(self, name: str, key: bytes) -> bytes | None:
        before, self.known[name] = self.known.get(name), key
        return before

    async def remove_worker(self, name: str) -> None:
        self.known.pop(name, None)

    async def exposures(self, *builds: str) -> list[Entry]:
        given = [(entry, entry.fact) for entry in self.entries]
        return [entry for entry, fact in given if isinstance(fact, Released) and fact.build in builds]


class KeeperTools:
    """What these commands ask for."""

    def __init__(self) -> None:
        self.fake = FakeKeeper()

    def keeper(self) -> FakeKeeper:
        return self.fake

    def keeper_introduction(self, name: str) -> str:
        return f'{{"name": "{name}"}}'

    def keeper_control(self) -> FakeKeeper:
        return self.fake

    def exposures(self) -> FakeKeeper:
        return self.fake


@pytest.fixture
def tools() -> KeeperTools:
    return KeeperTools()


def test_it_runs_and_logs_to_standard_error(sealock: Sealock) -> None:
    assert sealock("keeper") == (0, "", "serving\n")


def test_an_introduction_says_which_role_a_website_does_not_need(sealock: Sealock) -> None:
    code, out, err = sealock("keeper", "introduce", "web-1")
    assert (code, out) == (0, '{"name": "web-1"}\n'), "what authorities.json takes, and nothing else"
    assert "leave out `operator`" in err


def test_a_keeper_that_cannot_start_says_why(sealock: Sealock, tools: KeeperTools) -> None:
    tools.fake.error = PermanentError("a keeper listens there already", resolution="Stop that one.")
    code, _, err = sealock("keeper")
    assert code == 3
    assert "listens there already" in err
    assert "Stop that one" in err


def test_status_in_words_and_as_json(sealock: Sealock) -> None:
    code, out, _ = sealock("keeper", "status")
    assert (code, out) == (0, "version 1.0, epoch 7, 12 entries in the ledger\n  memory: locked\n")
    assert json.loads(sealock("keeper", "status", "--json")[1])["epoch"] == 7


def test_a_keeper_that_is_away_says_what_to_do(sealock: Sealock, tools: KeeperTools) -> None:
    tools.fake.error = KeeperAway("Connection refused")
    code, _, err = sealock("keeper", "status")
    assert code == 3
    assert "sealock keeper" in err


def test_end_all_does_not_happen_by_accident(sealock: Sealock, tools: KeeperTools) -> None:
    sealock("keeper", "end-all")
    assert tools.fake.ended == 0
    assert sealock("keeper", "end-all", "--yes")[0] == 0
    assert tools.fake.ended == 1


def test_exposures_name_what_to_replace(sealock: Sealock, tools: KeeperTools) -> None:
    tools.fake.entries = [
        Entry(1, 0.0, FETCHED, "0" * 64, "a" * 64),
        Entry(2, 1.5, RELEASED, "a" * 64, "b" * 64),
    ]
    code, out, _ = sealock("secrets", "exposures", "b1")
    assert code == 0
    assert out.splitlines() == [
        "1970-01-01T00:00:00.000Z  ssh-key ssh-key version 1  to the fetch of attempt 1",
        "1970-01-01T00:00:01.500Z  variable TOKEN version 3  to step test:unit of attempt 1",
    ]
    listed = json.loads(sealock("secrets", "exposures", "b1", "--json")[1])
    assert [entry["fact"]["name"] for entry in listed] == ["ssh-key", "TOKEN"]


def test_each_attempt_of_a_build_that_was_tried_again_is_listed(sealock: Sealock, tools: KeeperTools) -> None:
    again = replace(RELEASED, build=run_id("b1", 4), version=4)
    tools.fake.entries = [
        Entry(2, 1.5, RELEASED, "a" * 64, "b" * 64),
        Entry(3, 2.5, again, "b" * 64, "c" * 64),
    ]
    lines = sealock("secrets", "exposures", "b1", "--local")[1].splitlines()
    assert [line[-9:] for line in lines] == ["attempt 1", "attempt 4"]
    assert "version 4" in lines[1]
    listed = json.loads(sealock("secrets", "exposures", "b1", "--json")[1])
    assert [entry["attempt"] for entry in listed] == [1, 4]
    assert sealock("secrets", "exposures", "b1", "--attempt", "4")[1] == lines[1] + "\n"
    assert (
        sealock("secrets", "exposures", "b1", "--attempt", "2")[1]
        == "The keeper's ledger has nothing that was given to that build.\n"
    )


def test_a_build_that_was_given_nothing(sealock: Sealock) -> None:
    assert (
        sealock("secrets", "exposures", "b2")[1]
        == "The keeper's ledger has nothing that was given to that build.\n"
    )
    assert sealock("secrets", "exposures", "b2", "--json")[1] == "[]\n"


def test_workers_are_admitted_listed_and_removed(sealock: Sealock, tools: KeeperTools) -> None:
    key, other = bytes(range(32)), bytes(32)
    assert "knows no worker" in sealock("keeper", "workers")[1]
    assert sealock("keeper", "workers", "admit", "builder-1", key.hex())[:2] == (
        0,
        "The keeper knows builder-1 now.\n",
    )
    assert tools.fake.known == {"builder-1": key}
    _, heading, row, *_ = ["", *sealock("keeper", "workers")[1].splitlines()]
    assert heading.split() == ["name", "key", "since", "admitted", "by"]
    assert row.split() == ["builder-1", key.hex(), "1970-01-02T00:00:00Z", "local"]
    told = json.loads(sealock("keeper", "workers", "--json")[1])
    assert told["items"] == [{"name": "builder-1", "key": key.hex(), "since": 86400.0, "by": "local"}]
    assert key.hex() in sealock("keeper", "workers", "admit", "builder-1", other.hex())[1]
    assert sealock("keeper", "workers", "remove", "builder-1")[0] == 0
    assert tools.fake.known == {}
    code, _, err = sealock("keeper", "workers", "remove", "builder-1")
    assert code == 2 and "knows no worker builder-1" in err


@pytest.mark.parametrize("key", ["", "00", "zz" * 32, "00" * 33])
def test_what_is_no_key_is_not_admitted(sealock: Sealock, tools: KeeperTools, key: str) -> None:
    code, _, err = sealock("keeper", "workers", "admit", "builder-1", key)
    assert code == 2 and "64 hexadecimal digits" in err
    assert tools.fake.known == {}
