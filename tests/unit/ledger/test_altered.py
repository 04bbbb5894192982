"""A directory of receipts that are not what they claim; each is refused, and for its own reason.

`receipts/` holds one file for each row of the table. The files are kept, not made in the test, so that a
receipt signed long ago is judged tomorrow as it is today. `python tests/unit/ledger/test_altered.py` writes
them anew. Rows marked `by us` were signed by the installation's own key: a signature alone proves little.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sealock.core.decision import Denied
from sealock.ledger.verify import ReceiptVerifier

DIRECTORY = Path(__file__).with_name("receipts")
SUFFIX = ".intoto.jsonl"

WHOLE = "it is a whole receipt"
SIGNED = "it was signed by key"
FIELDS = "its fields are those of a receipt"
TOGETHER = "its two statements belong together"
SIGNER = "it names the installation"
USED = "it names the commit and the image"
STATES = "its machine's states follow"
TIMES = "its times follow"
OUTCOME = "its outcome follows"
LOG = "its log and secrets"

# file: the check that says no, and a part of its reason.
REFUSED: dict[str, tuple[str, str]] = {
    "empty": (WHOLE, "a part of it is missing"),
    "truncated": (WHOLE, "a part of it is missing"),
    "first-line-only": (WHOLE, "it has 1 lines"),
    "third-line": (WHOLE, "it has 3 lines"),
    "trailing-space": (WHOLE, "line 2 is not written as Sealock writes it"),
    "trailing-data": (WHOLE, "line 2"),
    "no-json": (WHOLE, "Invalid JSON"),
    "not-utf-8": (WHOLE, "Invalid JSON"),
    "pretty-printed": (WHOLE, "lines"),
    "envelope-field-twice": (WHOLE, "line 1 is not written as Sealock writes it"),
    "envelope-extra-field": (WHOLE, "Extra inputs are not permitted"),
    "signature-extra-field": (WHOLE, "Extra inputs are not permitted"),
    "no-signature": (WHOLE, "signatures"),
    "two-signatures": (WHOLE, "signatures"),
    "payload-type": (WHOLE, "payloadType"),
    "base64-other-alphabet": (WHOLE, "payload"),
    "base64-loose-bits": (WHOLE, "not the usual spelling of Base64"),
    "signed-by-another": (SIGNED, "it says it was signed by key"),
    "signed-by-another-in-our-name": (SIGNED, "it was altered"),
    "altered-outcome": (SIGNED, "it was altered"),
    "altered-provenance": (SIGNED, "it was altered"),
    "signatures-swapped": (SIGNED, "it was altered"),
    "signature-zero": (SIGNED, "it was altered"),
    "by-us-statement-type": (FIELDS, "_type"),
    "by-us-predicate-type": (FIELDS, "predicateType"),
    "by-us-statements-swapped": (FIELDS, "the provenance"),
    "by-us-same-statement-twice": (FIELDS, "the receipt's own statement"),
    "by-us-field-missing": (FIELDS, "Field required"),
    "by-us-unknown-field": (FIELDS, "Extra inputs are not permitted"),
    "by-us-field-twice": (FIELDS, "not written as Sealock writes it"),
    "by-us-two-subjects": (FIELDS, "subject"),
    "by-us-number-as-text": (FIELDS, "diskBytesWritten"),
    "by-us-negative-bytes": (FIELDS, "diskBytesWritten"),
    "by-us-time-elsewhere": (FIELDS, "not a time in UTC"),
    "by-us-no-such-day": (FIELDS, "finishedOn"),
    "by-us-control-characters": (FIELDS, "cannot be printed"),
    "by-us-of-two-builds": (TOGETHER, "made for another provenance"),
    "by-us-other-invocation": (TOGETHER, "different builds"),
    "by-us-other-subject": (TOGETHER, "different commits"),
    "by-us-other-finish": (TOGETHER, "disagree about when"),
    "by-us-for-another-installation": (SIGNER, "another installation"),
    "by-us-other-commit-built": (USED, "not the commit that was built"),
    "by-us-other-image": (USED, "another image"),
    "by-us-states-out-of-order": (STATES, "went from starting to busy"),
    "by-us-state-twice": (STATES, "went from busy to busy"),
    "by-us-back-from-gone": (STATES, "went from gone to busy"),
    "by-us-no-states": (STATES, "did not begin by starting"),
    "by-us-state-times-backwards": (TIMES, "its machine's states are out of order"),
    "by-us-finished-before-start": (TIMES, "start and end are out of order"),
    "by-us-key-before-start": (TIMES, "its key's are out of order"),
    "by-us-command-before-use": (TIMES, "first use and the first command are out of order"),
    "by-us-reaped-before-end": (TIMES, "the machine's end and its process's are out of order"),
    "by-us-green-but-failed": (OUTCOME, "a command failed"),
    "by-us-commands-nowhere": (OUTCOME, "of none when or where"),
    "altered-log-digest": (SIGNED, "it was altered"),
    "altered-release-version": (SIGNED, "it was altered"),
    "altered-log-left-out": (SIGNED, "it was altered"),
    "by-us-log-alone": (FIELDS, "one of log, releases without the others"),
    "by-us-releases-alone": (FIELDS, "one of log, releases without the others"),
    "by-us-log-digest-of-something": (FIELDS, "log.digest"),
    "by-us-log-with-its-text": (FIELDS, "Extra inputs are not permitted"),
    "by-us-log-negative": (FIELDS, "log.lines"),
    "by-us-log-complete-as-number": (FIELDS, "log.complete"),
    "by-us-log-lines-in-no-bytes": (LOG, "cannot have 5 lines in 4 bytes"),
    "by-us-log-bytes-in-no-line": (LOG, "cannot have 0 lines in 4 bytes"),
    "by-us-log-of-no-project": (LOG, "names no project"),
    "by-us-release-with-its-value": (FIELDS, "Extra inputs are not permitted"),
    "by-us-release-of-a-key": (FIELDS, "kind"),
    "by-us-release-of-no-name": (FIELDS, "name"),
    "by-us-release-version-none": (FIELDS, "version"),
    "by-us-release-before-start": (TIMES, "its secrets' releases and its end are out of order"),
    "by-us-release-after-end": (TIMES, "its secrets' releases and its end are out of order"),
    "by-us-release-before-another": (TIMES, "its secrets' releases and its end are out of order"),
    "by-us-release-before-use": (TIMES, "the first secret's release are out of order"),
    "by-us-release-nowhere": (LOG, "no machine where"),
}

GOOD = ("good", "good-with-log")
"""One from before receipts named logs and released secrets, and one that does."""


@pytest.fixture
def verifier() -> ReceiptVerifier:
    return ReceiptVerifier((DIRECTORY / "installation.pub").read_bytes())


@pytest.mark.parametrize("name", GOOD)
def test_the_good_one_is_accepted(name: str, verifier: ReceiptVerifier) -> None:
    found = verifier.verify((DIRECTORY / f"{name}{SUFFIX}").read_bytes())
    assert [check for check in found.checks if not check.decision] == []
    assert found.kept


@pytest.mark.parametrize("name", REFUSED)
def test_an_altered_one_is_refused_for_its_own_reason(verifier: ReceiptVerifier, name: str) -> None:
    found = verifier.verify((DIRECTORY / f"{name}{SUFFIX}").read_bytes())
    check, reason = REFUSED[name]
    last = found.checks[-1]
    assert last.name.startswith(check)
    assert isinstance(last.decision, Denied)
    assert reason in last.decision.reason
    assert last.decision.reason.isprintable()
    assert not found.authentic
    assert not found.kept
    assert found.statements == ()
    assert all(earlier.decision for earlier in found.checks[:-1])


def test_every_file_of_the_directory_is_in_the_table() -> None:
    names = {path.name.removesuffix(SUFFIX) for path in DIRECTORY.glob(f"*{SUFFIX}")}
    assert names == {*GOOD, *REFUSED}


# What follows writes the directory.

Statement = dict[str, Any]
Alter = Callable[[Statement, Statement], object]


def _machine(receipt: Statement) -> Statement:
    return receipt["predicate"]["machine"]  # type: ignore[no-any-return]


def _set(place: Statement, **values: Any) -> None:
    place.update(values)


def _finish(provenance: Statement, receipt: Statement, at: str) -> None:
    provenance["predicate"]["runDetails"]["metadata"]["finishedOn"] = at
    receipt["predicate"]["finishedOn"] = at


BY_US_PROVENANCE: dict[str, Alter] = {
    # The first statement is altered and the second made to fit, as only the key's owner can.
    "statement-type": lambda p, r: _set(p, _type="https://in-toto.io/Statement/v0.1"),
    "for-another-installation": lambda p, r: _set(
        p["predicate"]["runDetails"]["builder"], id="urn:sealock:installation:" + "0" * 64
    ),
    "other-commit-built": lambda p, r: _set(
        p["predicate"]["buildDefinition"]["resolvedDependencies"][1]["digest"], gitCommit="e" * 40
    ),
    "finished-before-start": lambda p, r: _finish(p, r, "2025-10-09T08:00:00.000Z"),
}

BY_US_RECEIPT: dict[str, Alter] = {
    "predicate-type": lambda p, r: _set(r, predicateType="urn:sealock:receipt:v2"),
    "field-missing": lambda p, r: r["predicate"].pop("key"),
    "unknown-field": lambda p, r: _set(r["predicate"], note="trust me"),
    "two-subjects": lambda p, r: r["subject"].append(r["subject"][0]),
    "number-as-text": lambda p, r: _set(_machine(r), diskBytesWritten="0"),
    "negative-bytes": lambda p, r: _set(_machine(r), diskBytesWritten=-1),
    "time-elsewhere": lambda p, r: _set(r["predicate"], firstCommandAt="2025-10-09T10:53:21+0200"),
    "no-such-day": lambda p, r: _set(r["predicate"], finishedOn="2025-02-30T08:53:32.430Z"),
    "control-characters": lambda p, r: _set(r["predicate"], project="parser\x1b[2J"),
    "other-invocation": lambda p, r: _set(r["predicate"], invocationId="f" * 32),
    "other-subject": lambda p, r: _set(r["subject"][0]["digest"], gitCommit="f" * 40),
    "other-finish": lambda p, r: _set(r["predicate"], finishedOn="2025-10-09T08:53:32.431Z"),
    "other-image": lambda p, r: _set(_machine(r), image="sha256:" + "0" * 64),
    "states-out-of-order": lambda p, r: _machine(r)["states"].insert(2, _machine(r)["states"].pop(1)),
    "state-twice": lambda p, r: _machine(r)["states"].insert(3, _machine(r)["states"][2]),
    "back-from-gone": lambda p, r: _machine(r)["states"].append(_machine(r)["states"][2]),
    "no-states": lambda p, r: _machine(r)["states"].clear(),
    "state-times-backwards": lambda p, r: _set(_machine(r)["states"][1], at="2025-10-09T08:00:00.000Z"),
    "key-before-start": lambda p, r: _set(r["predicate"]["key"], openedAt="2025-10-09T08:53:19.999Z"),
    "command-before-use": lambda p, r: _set(r["predicate"], firstCommandAt="2025-10-09T08:53:20.010Z"),
    "reaped-before-end": lambda p, r: _set(_machine(r), processReapedAt="2025-10-09T08:53:32.399Z"),
    "green-but-failed": lambda p, r: _set(r["predicate"]["commands"][1], exitCode=1),
    "commands-nowhere": lambda p, r: _set(r["predicate"], firstCommandAt=None),
}


def _release(receipt: Statement, position: int) -> Statement:
    return receipt["predicate"]["releases"][position]  # type: ignore[no-any-return]


def _without_machine(receipt: Statement) -> None:
    _set(receipt["predicate"], machine=None, commands=[], firstCommandAt=None, outcome="error", key=None)


BY_US_LOG: dict[str, Alter] = {
    # Of the form that names the log and the secrets.
    "log-alone": lambda p, r: r["predicate"].pop("releases"),
    "releases-alone": lambda p, r: r["predicate"].pop("log"),
    "log-digest-of-something": lambda p, r: _set(
        r["predicate"]["log"]["digest"], sha256="sha256:" + "d" * 57
    ),
    "log-with-its-text": lambda p, r: _set(r["predicate"]["log"], text="hunter2"),
    "log-negative": lambda p, r: _set(r["predicate"]["log"], lines=-1),
    "log-complete-as-number": lambda p, r: _set(r["predicate"]["log"], complete=1),
    "log-lines-in-no-bytes": lambda p, r: _set(r["predicate"]["log"], lines=5, size=4),
    "log-bytes-in-no-line": lambda p, r: _set(r["predicate"]["log"], lines=0, size=4),
    "log-of-no-project": lambda p, r: _set(r["predicate"], project=None),
    "release-with-its-value": lambda p, r: _set(_release(r, 0), value="hunter2"),
    "release-of-a-key": lambda p, r: _set(_release(r, 0), kind="ssh-key"),
    "release-of-no-name": lambda p, r: _set(_release(r, 0), name="../x"),
    "release-version-none": lambda p, r: _set(_release(r, 0), version=0),
    "release-before-start": lambda p, r: _set(_release(r, 0), at="2025-10-09T08:53:19.999Z"),
    "release-after-end": lambda p, r: _set(_release(r, 1), at="2025-10-09T08:53:32.431Z"),
    "release-before-another": lambda p, r: _set(_release(r, 1), at="2025-10-09T08:53:25.699Z"),
    "release-before-use": lambda p, r: _set(_release(r, 0), at="2025-10-09T08:53:20.010Z"),
    "release-nowhere": lambda p, r: _without_machine(r),
}


def _envelope(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Alters the JSON of the first line and nothing else."""

    def alter(good: bytes) -> bytes:
        first, second, _ = good.split(b"\n")
        envelope = json.loads(first)
        change(envelope)
        return json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode() + b"\n" + second + b"\n"

    return alter


def _payload(line: int, old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Alters what was signed."""

    def alter(good: bytes) -> bytes:
        lines = good.split(b"\n")
        envelope = json.loads(lines[line])
        content = b64decode(envelope["payload"])
        assert old in content
        envelope["payload"] = b64encode(content.replace(old, new)).decode()
        lines[line] = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
        return b"\n".join(lines)

    return alter


def _without_log(newer: bytes, older: bytes) -> bytes:
    """What the older form would say, under the signature of the newer."""
    first, second, _ = newer.split(b"\n")
    envelope = json.loads(second)
    envelope["payload"] = json.loads(older.split(b"\n")[1])["payload"]
    return first + b"\n" + json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _swap_signatures(good: bytes) -> bytes:
    envelopes = [json.loads(line) for line in good.splitlines()]
    envelopes[0]["signatures"], envelopes[1]["signatures"] = (
        envelopes[1]["signatures"],
        envelopes[0]["signatures"],
    )
    return b"".join(
        json.dumps(each, sort_keys=True, separators=(",", ":")).encode() + b"\n" for each in envelopes
    )


def _loosen(envelope: dict[str, Any]) -> None:
    """The last letter before `==` carries two bits of the signature; its other four may be anything."""
    signature = envelope["signatures"][0]["sig"]
    envelope["signatures"][0]["sig"] = signature[:-3] + chr(ord(signature[-3]) + 1) + "=="


BY_OTHERS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "truncated": lambda good: good[: len(good) * 2 // 3],
    "first-line-only": lambda good: good.split(b"\n")[0] + b"\n",
    "third-line": lambda good: good + good.split(b"\n")[1] + b"\n",
    "trailing-space": lambda good: good[:-1] + b" \n",
    "trailing-data": lambda good: good[:-1] + b"{}\n",
    "no-json": lambda good: b"hello\nworld\n",
    "not-utf-8": lambda good: b'{"payload":"\xff"}\n{}\n',
    "pretty-printed": lambda good: "".join(
        json.dumps(json.loads(line), indent=2) + "\n" for line in good.splitlines()
    ).encode(),
    "envelope-field-twice": lambda good: good.replace(b'{"payload":', b'{"payload":"e30=","payload":', 1),
    "envelope-extra-field": _envelope(lambda it: it.update(note="trust me")),
    "signature-extra-field": _envelope(lambda it: it["signatures"][0].update(cert="")),
    "no-signature": _envelope(lambda it: it["signatures"].clear()),
    "two-signatures": _envelope(lambda it: it["signatures"].append(it["signatures"][0])),
    "payload-type": _envelope(lambda it: it.update(payloadType="application/json")),
    "base64-other-alphabet": _envelope(lambda it: it.update(payload="_-" + it["payload"][2:])),
    "base64-loose-bits": _envelope(_loosen),
    "altered-outcome": _payload(1, b'"outcome":"green"', b'"outcome":"error"'),
    "altered-provenance": _payload(0, b'"ref":"main"', b'"ref":"mine"'),
    "signatures-swapped": _swap_signatures,
    "signature-zero": _envelope(lambda it: it["signatures"][0].update(sig=b64encode(bytes(64)).decode())),
}


def _canonical(statement: Statement) -> bytes:
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def _by_us(kit: ModuleType, key: Any) -> dict[str, bytes]:
    """Receipts that only the owner of the key could have made."""
    made: dict[str, bytes] = {}
    for name, alter in {**BY_US_PROVENANCE, **BY_US_RECEIPT, **BY_US_LOG}.items():
        statements = kit.good_statements if name in BY_US_LOG else kit.older_statements
        provenance, receipt = statements(key)
        alter(provenance, receipt)
        if name in BY_US_PROVENANCE:
            digest = hashlib.sha256(_canonical(provenance)).hexdigest()
            receipt["predicate"]["provenance"]["sha256"] = digest
        made[f"by-us-{name}"] = kit.sign_statements(key, provenance, receipt)
    provenance, receipt = kit.older_statements(key)
    made["by-us-statements-swapped"] = kit.sign_statements(key, receipt, provenance)
    made["by-us-same-statement-twice"] = kit.sign_statements(key, provenance, provenance)
    provenance["predicate"]["buildDefinition"]["externalParameters"]["ref"] = "release"
    made["by-us-of-two-builds"] = kit.sign_statements(key, provenance, receipt)
    twice = _canonical(receipt).replace(b'"outcome":', b'"outcome":"red","outcome":', 1)
    provenance, _ = kit.older_statements(key)
    made["by-us-field-twice"] = kit.write((key.sign(_canonical(provenance)), key.sign(twice)))
    return made


def _by_others(kit: ModuleType, key: Any, other: Any) -> dict[str, bytes]:
    """Receipts anybody could have made out of a good one, and two by another installation."""
    good = kit.sign_statements(key, *kit.older_statements(key))
    theirs = kit.sign_statements(other, *kit.older_statements(other))
    newer = kit.sign_statements(key, *kit.good_statements(key))
    return {
        "good": good,
        "good-with-log": newer,
        "altered-log-digest": _payload(1, b"d4" * 32, b"d5" * 32)(newer),
        "altered-release-version": _payload(1, b'"version":3', b'"version":4')(newer),
        "altered-log-left-out": _without_log(newer, good),
        **{name: alter(good) for name, alter in BY_OTHERS.items()},
        "signed-by-another": theirs,
        "signed-by-another-in-our-name": theirs.replace(other.key_id.encode(), key.key_id.encode()),
    }


def write_directory() -> None:
    """Write every file of the directory anew."""
    spec = importlib.util.spec_from_file_location("kit", Path(__file__).with_name("conftest.py"))
    assert spec and spec.loader
    kit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kit)
    with tempfile.TemporaryDirectory() as temporary:
        key = kit.installation(Path(temporary, "ours"), seed=1)
        other = kit.installation(Path(temporary, "theirs"), seed=2)
        DIRECTORY.mkdir(exist_ok=True)
        (DIRECTORY / "installation.pub").write_bytes(key.public_key)
        for name, content in {**_by_others(kit, key, other), **_by_us(kit, key)}.items():
            (DIRECTORY / f"{name}{SUFFIX}").write_bytes(content)


if __name__ == "__main__":
    write_directory()
