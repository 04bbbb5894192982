"""`sealock receipt`, with the real verifier and the directory of altered receipts behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.core.build import BuildRecord, Outcome
from sealock.core.machine import MachineRecord, MachineState, NetworkPolicy, Origin
from sealock.core.receipt import LONGEST_RECEIPT
from sealock.ledger.receipts import ReceiptFiles
from sealock.ledger.signing import InstallationKey
from sealock.ledger.verify import ReceiptVerifier

Sealock = Callable[..., tuple[int, str, str]]
RECEIPTS = Path(__file__).parents[1] / "ledger" / "receipts"
PUBLIC = RECEIPTS / "installation.pub"
GOOD = RECEIPTS / "good.intoto.jsonl"


class ReceiptTools:
    """What these commands ask of their tools. public_key None: a machine without an installation."""

    def __init__(self) -> None:
        self.public_key: bytes | None = PUBLIC.read_bytes()

    def verifier(self) -> ReceiptVerifier:
        return ReceiptVerifier(self.public_key)

    def installation_public_key(self) -> bytes:
        assert self.public_key is not None
        return self.public_key


@pytest.fixture
def tools() -> ReceiptTools:
    return ReceiptTools()


@pytest.fixture
def broken(tmp_path: Path, tools: ReceiptTools) -> Path:
    """An honest receipt of a machine whose end nobody saw."""
    key = InstallationKey.load_or_create(tmp_path / "keys")
    tools.public_key = key.public_key
    digest = "sha256:" + "a" * 64
    machine = MachineRecord("m", digest, Origin.CLONE, "tcg", NetworkPolicy.NONE, "SHA256:" + "q" * 43)
    machine.enter(MachineState.STARTING, 1_760_000_000.0)
    machine.disk_bytes_written = 4096
    record = BuildRecord(
        "b" * 32,
        "directory:parser",
        None,
        "c" * 40,
        True,
        (),
        "base",
        digest,
        digest,
        digest,
        1_760_000_000.0,
    )
    record.machine, record.outcome, record.ended_at = machine, Outcome.ERROR, 1_760_000_001.0
    return ReceiptFiles(tmp_path / "receipts", key).sign(record).path


def test_verify_says_what_was_checked(sealock: Sealock) -> None:
    code, out, err = sealock("receipt", "verify", str(GOOD))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 15
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert "P6: nothing was written to a disk" in out
    assert lines[-1].startswith("Authentic")


def test_verify_refuses(sealock: Sealock) -> None:
    code, out, _ = sealock("receipt", "verify", str(RECEIPTS / "altered-outcome.intoto.jsonl"))
    assert code == 1
    assert out.splitlines()[-1].startswith("REFUSED, believe nothing in it: the signature")
    assert "FAILED" in out


def test_verify_tells_a_broken_promise_from_a_forgery(sealock: Sealock, broken: Path) -> None:
    code, out, _ = sealock("receipt", "verify", str(broken))
    assert code == 3
    assert out.splitlines()[-1] == "Authentic, and it shows that a promise was NOT kept: P5, P6."
    assert "wrote 4096 bytes to a disk" in out


def test_verify_needs_no_installation(sealock: Sealock, tools: ReceiptTools) -> None:
    tools.public_key = None
    code, _, err = sealock("receipt", "verify", str(GOOD))
    assert code == 2
    assert "--key installation.pub" in err
    assert sealock("receipt", "verify", str(GOOD), "--key", str(PUBLIC))[0] == 0


def test_verify_against_another_key(sealock: Sealock, tmp_path: Path) -> None:
    InstallationKey.load_or_create(tmp_path / "keys")
    code, out, _ = sealock("receipt", "verify", str(GOOD), "--key", str(tmp_path / "keys/installation.pub"))
    assert code == 1
    assert "not by" in out


def test_verify_json(sealock: Sealock, broken: Path) -> None:
    found = json.loads(sealock("receipt", "verify", "--json", str(broken))[1])
    assert found["verdict"] == "broken"
    assert [check["promise"] for check in found["checks"] if not check["ok"]] == ["P5", "P6"]
    altered = str(RECEIPTS / "by-us-states-out-of-order.intoto.jsonl")
    found = json.loads(sealock("receipt", "verify", "--json", altered, "--key", str(PUBLIC))[1])
    assert found["verdict"] == "refused"
    assert "can go" in found["checks"][-1]["reason"]


@pytest.mark.parametrize(
    "arguments", [("missing",), ("/",), (str(GOOD), "--key", "missing"), (str(GOOD), "--key", str(GOOD))]
)
@pytest.mark.parametrize("command", ["show", "verify"])
def test_a_file_that_cannot_be_read_is_wrong_usage(
    sealock: Sealock, command: str, arguments: tuple[str, ...]
) -> None:
    code, out, err = sealock("receipt", command, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")


def test_a_huge_file_is_refused_without_being_read(sealock: Sealock, tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(LONGEST_RECEIPT * 1000)
    code, out, _ = sealock("receipt", "verify", str(huge))
    assert code == 1
    assert "longer than" in out


def test_show(sealock: Sealock) -> None:
    code, out, err = sealock("receipt", "show", str(GOOD))
    assert (code, err) == (0, "")
    for part in (
        "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d",
        "ssh://git@git.example.org:22/team/parser.git at main",
        "(+0.113 s)",
        "on disk       0 bytes",
        "unit: 1 command, 6.7 s",
        "processor 1, NOT ENFORCED",
        "Authentic, signed by",
    ):
        assert part in out


def test_show_of_a_broken_promise(sealock: Sealock, broken: Path) -> None:
    code, out, _ = sealock("receipt", "show", str(broken))
    assert code == 0
    assert "with what lay in the working tree" in out
    assert "NOT kept: P5, P6" in out
    assert "process gone  NOT SEEN" in out


def test_show_warns_of_what_is_not_authentic(sealock: Sealock) -> None:
    code, out, err = sealock("receipt", "show", str(RECEIPTS / "altered-outcome.intoto.jsonl"))
    assert code == 1
    assert "outcome       error" in out
    assert err.startswith("REFUSED")


def test_show_without_a_key_says_so(sealock: Sealock, tools: ReceiptTools) -> None:
    tools.public_key = None
    code, out, _ = sealock("receipt", "show", str(GOOD))
    assert code == 0
    assert "The signature was NOT checked" in out


def test_show_json(sealock: Sealock) -> None:
    found = json.loads(sealock("receipt", "show", "--json", str(GOOD))[1])
    assert found["verdict"] == "kept"
    assert [statement["predicateType"] for statement in found["statements"]] == [
        "https://slsa.dev/provenance/v1",
        "urn:sealock:receipt:v1",
    ]


def test_show_does_not_print_what_could_move_the_cursor(sealock: Sealock) -> None:
    code, out, err = sealock("receipt", "show", str(RECEIPTS / "by-us-control-characters.intoto.jsonl"))
    assert code == 2
    assert "\x1b" not in out + err


def test_key_prints_the_public_key(sealock: Sealock) -> None:
    assert sealock("receipt", "key") == (0, PUBLIC.read_text(), "")
