"""`sealock receipt`, with the real verifier and the directory of altered receipts behind it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.core.build import BuildRecord, Outcome
from sealock.core.machine import MachineRecord, MachineState, NetworkPolicy, Origin
from sealock.core.receipt import LONGEST_RECEIPT
from sealock.core.secret import Secret
from sealock.ledger.receipts import ReceiptFiles
from sealock.ledger.signing import InstallationKey
from sealock.ledger.verify import ReceiptVerifier
from sealock.livelog.files import LogFiles
from tests.unit.ledger.conftest import good_record

Sealock = Callable[..., tuple[int, str, str]]
RECEIPTS = Path(__file__).parents[1] / "ledger" / "receipts"
PUBLIC = RECEIPTS / "installation.pub"
GOOD = RECEIPTS / "good.intoto.jsonl"
WITH_LOG = RECEIPTS / "good-with-log.intoto.jsonl"


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
    assert len(lines) == 16
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


def test_show_names_the_log_and_what_was_released(sealock: Sealock) -> None:
    code, out, _ = sealock("receipt", "show", str(WITH_LOG))
    assert code == 0
    assert (
        "secret        API_TOKEN (variable) version 3 to test:unit, 2025-10-09T08:53:25.700Z  (+5.700 s)"
        in out
    )
    assert "secret        service.json (file) version 1 to test:unit" in out
    assert f"log           1,234 lines, 56,789 bytes, complete, sha256:{'d4' * 32}" in out
    older = sealock("receipt", "show", str(GOOD))[1]
    assert not re.search("^(log|secret)", older, re.MULTILINE)


@pytest.fixture
def with_log(tmp_path: Path, tools: ReceiptTools) -> tuple[Path, Path]:
    """A receipt, and the sealed log it names."""
    key = InstallationKey.load_or_create(tmp_path / "keys")
    tools.public_key = key.public_key
    writer = LogFiles(tmp_path / "logs").create("b" * 32, Secret(bytes(32)))
    writer.write(b"hello\n")
    record = good_record()
    record.id, record.log = "b" * 32, writer.close()
    log = tmp_path / "logs" / f"{'b' * 32}.log"
    return ReceiptFiles(tmp_path / "receipts", key).sign(record).path, log


def test_verify_compares_a_log(sealock: Sealock, with_log: tuple[Path, Path]) -> None:
    receipt, log = with_log
    code, out, _ = sealock("receipt", "verify", str(receipt), "--log", str(log))
    assert code == 0
    assert "ok      the log is the one it names" in out
    found = json.loads(sealock("receipt", "verify", "--json", str(receipt), "--log", str(log))[1])
    assert found["log"] == {"ok": True, "reason": ""}
    assert "log" not in json.loads(sealock("receipt", "verify", "--json", str(receipt))[1])


@pytest.mark.parametrize("alter", ["byte", "cut", "longer", "empty"])
def test_verify_refuses_another_log(alter: str, sealock: Sealock, with_log: tuple[Path, Path]) -> None:
    receipt, log = with_log
    content = log.read_bytes()
    altered = {
        "byte": content[:-1] + bytes([content[-1] ^ 1]),
        "cut": content[:-1],
        "longer": content + b"\0",
        "empty": b"",
    }
    log.write_bytes(altered[alter])
    code, out, _ = sealock("receipt", "verify", str(receipt), "--log", str(log))
    assert code == 1
    assert "FAILED  the log is the one it names" in out
    assert "the receipt names sha256:" in out
    assert out.splitlines()[-1] == "The log is NOT the one this receipt names."
    found = json.loads(sealock("receipt", "verify", "--json", str(receipt), "--log", str(log))[1])
    assert (found["verdict"], found["log"]["ok"]) == ("kept", False)


def test_a_log_is_compared_with_no_receipt_that_is_refused(
    sealock: Sealock, with_log: tuple[Path, Path]
) -> None:
    receipt, log = with_log
    code, out, _ = sealock("receipt", "verify", str(receipt), "--key", str(PUBLIC), "--log", str(log))
    assert code == 1
    assert "the receipt is refused, so it names no log" in out


def test_an_older_receipt_names_no_log(sealock: Sealock, with_log: tuple[Path, Path]) -> None:
    code, out, _ = sealock("receipt", "verify", str(GOOD), "--key", str(PUBLIC), "--log", str(with_log[1]))
    assert code == 1
    assert "from before receipts named logs" in out


def test_a_log_that_cannot_be_read_is_wrong_usage(sealock: Sealock, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("missing", "/", str(tmp_path / "pipe")):
        code, out, err = sealock("receipt", "verify", str(GOOD), "--log", path)
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")


def test_key_prints_the_public_key(sealock: Sealock) -> None:
    assert sealock("receipt", "key") == (0, PUBLIC.read_text(), "")
