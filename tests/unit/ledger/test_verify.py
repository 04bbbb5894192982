"""Receipts that were made to break the verifier rather than to fool it, and the keys it is given."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealock.core.build import BuildRecord
from sealock.core.errors import UsageError
from sealock.core.receipt import LONGEST_RECEIPT, is_its_log
from sealock.ledger.envelope import write
from sealock.ledger.receipts import ReceiptFiles
from sealock.ledger.signing import InstallationKey
from sealock.ledger.verify import ReceiptVerifier

RECEIPTS = Path(__file__).with_name("receipts")
GOOD = (RECEIPTS / "good.intoto.jsonl").read_bytes()
NEWER = (RECEIPTS / "good-with-log.intoto.jsonl").read_bytes()
both_forms = pytest.mark.parametrize("good", [GOOD, NEWER], ids=["older", "newer"])
PUBLIC = (RECEIPTS / "installation.pub").read_bytes()


def _reason(receipt: bytes) -> str:
    found = ReceiptVerifier(PUBLIC).verify(receipt)
    assert not found.authentic
    assert found.statements == ()
    return str(found.checks[-1].decision)


@both_forms
@settings(max_examples=300, deadline=None)
@given(place=st.floats(min_value=0, max_value=1, exclude_max=True), mask=st.integers(1, 255))
def test_no_byte_can_be_another(good: bytes, place: float, mask: int) -> None:
    altered = bytearray(good)
    altered[int(place * len(good))] ^= mask
    assert not ReceiptVerifier(PUBLIC).verify(bytes(altered)).authentic


@both_forms
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_nothing_can_be_cut_out_or_put_in(good: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(min_value=0, max_value=len(good)))
    end = data.draw(st.integers(min_value=start, max_value=min(len(good), start + 40)))
    put = data.draw(st.binary(max_size=8) | st.sampled_from([b" ", b"\n", b'"', b"{", b"[[", b"\\u0000"]))
    altered = good[:start] + put + good[end:]
    assert ReceiptVerifier(PUBLIC).verify(altered).authentic == (altered == good)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_rubbish_is_refused_and_breaks_nothing(rubbish: bytes) -> None:
    assert not ReceiptVerifier(PUBLIC).verify(rubbish).authentic


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@both_forms
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_signed_there_is_an_answer(
    good: bytes, sign: Callable[..., bytes], key: InstallationKey, data: st.DataObject
) -> None:
    """A value anywhere in the statements is replaced and signed: what comes out is what went in, or no."""
    statements = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in good.splitlines()]
    place = data.draw(st.sampled_from(statements))
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        name = data.draw(st.sampled_from(keys))
        if not (isinstance(place[name], dict | list) and place[name]) or data.draw(st.booleans()):
            break
        place = place[name]
    place[name] = data.draw(JSON)
    found = ReceiptVerifier(key.public_key).verify(sign(*statements))
    assert found.authentic == (found.statements == tuple(statements))
    assert found.authentic == all(check.decision for check in found.checks if check.promise is None)


def test_a_huge_file_is_not_read() -> None:
    assert "longer than" in _reason(b" " * (LONGEST_RECEIPT + 1))


def test_deep_json_is_refused() -> None:
    for deep in (
        b"[" * 200_000,
        b'{"payload":' * 100_000,
        b'{"payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ):
        assert "line 1" in _reason(deep + b"\n{}\n")


def test_deep_json_that_was_signed_is_refused(key: InstallationKey) -> None:
    deep = b'{"_type":' * 100_000 + b"1" + b"}" * 100_000
    found = ReceiptVerifier(key.public_key).verify(write((key.sign(deep), key.sign(deep))))
    assert not found.authentic
    assert "the provenance" in str(found.checks[-1].decision)


def test_a_number_of_a_million_digits_is_refused(key: InstallationKey) -> None:
    receipt = base64.b64decode(json.loads(GOOD.splitlines()[1])["payload"])
    provenance = base64.b64decode(json.loads(GOOD.splitlines()[0])["payload"])
    long = receipt.replace(b'"diskBytesWritten":0', b'"diskBytesWritten":' + b"9" * 1_000_000)
    found = ReceiptVerifier(key.public_key).verify(write((key.sign(provenance), key.sign(long))))
    assert not found.authentic


def test_another_key_refuses_the_good_one(tmp_path: Path) -> None:
    other = InstallationKey.load_or_create(tmp_path / "keys")
    found = ReceiptVerifier(PUBLIC).verify(GOOD, other.public_key)
    assert not found.authentic
    assert "not by" in str(found.checks[-1].decision)


def test_the_given_key_goes_before_the_installations_own(tmp_path: Path) -> None:
    other = InstallationKey.load_or_create(tmp_path / "keys")
    assert ReceiptVerifier(other.public_key).verify(GOOD, PUBLIC).kept


def test_without_a_key_nothing_is_believed() -> None:
    with pytest.raises(UsageError, match="no key to check the receipt against"):
        ReceiptVerifier().verify(GOOD)


def test_an_empty_key_is_no_key() -> None:
    with pytest.raises(UsageError, match="not an Ed25519 public key"):
        ReceiptVerifier(PUBLIC).verify(GOOD, b"")


def test_it_can_be_read_without_being_believed() -> None:
    altered = (RECEIPTS / "altered-outcome.intoto.jsonl").read_bytes()
    provenance, receipt = ReceiptVerifier().read(altered)
    assert provenance["predicateType"] == "https://slsa.dev/provenance/v1"
    assert receipt["predicate"]["outcome"] == "error"  # type: ignore[index]
    with pytest.raises(UsageError, match="this is not a receipt"):
        ReceiptVerifier().read(b"hello\n")


def test_the_provenance_verifies_by_the_dsse_specification_alone() -> None:
    """With nothing of ours: decode, frame, verify, as any other tool does."""
    for line in GOOD.splitlines():
        envelope = json.loads(line)
        payload = base64.b64decode(envelope["payload"])
        kind = envelope["payloadType"].encode()
        framed = b" ".join((b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload))
        public = load_pem_public_key(PUBLIC)
        public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), framed)  # type: ignore[union-attr,call-arg]


def test_what_is_signed_today_verifies(key: InstallationKey, record: BuildRecord, tmp_path: Path) -> None:
    receipt = ReceiptFiles(tmp_path / "receipts", key).sign(record)
    found = ReceiptVerifier(key.public_key).verify(receipt.envelope)
    assert found.kept
    assert found.key_id == receipt.key_id


def test_an_older_one_is_told_as_it_was_and_names_no_log() -> None:
    older, newer = (ReceiptVerifier(PUBLIC).verify(each) for each in (GOOD, NEWER))
    assert older.kept
    assert not {"log", "releases"} & set(older.statements[1]["predicate"])  # type: ignore[call-overload]
    digest = "sha256:" + "d4" * 32
    assert not is_its_log(older.statements, digest)
    assert is_its_log(newer.statements, digest)
    assert not is_its_log(newer.statements, digest.replace("d4", "d5"))
    assert not is_its_log(newer.statements, "")


def test_the_log_of_another_build_is_not_its_own(
    key: InstallationKey, record: BuildRecord, tmp_path: Path
) -> None:
    assert record.log is not None
    record.log = None
    receipt = ReceiptFiles(tmp_path / "receipts", key).sign(record)
    found = ReceiptVerifier(key.public_key).verify(receipt.envelope)
    assert found.kept
    assert str(is_its_log(found.statements, "sha256:" + "0" * 64)).count("no log was kept")
