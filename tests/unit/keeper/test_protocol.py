"""Messages have one spelling; what is anything else is refused, and says nothing about itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.lease import MOST_SECRETS, MOST_STEPS, LeasedStep
from sealock.core.project import SealedKey
from sealock.core.sealed import Owner, PublicKey, Sealed
from sealock.keeper import key_messages as keys
from sealock.keeper import protocol
from sealock.keeper import worker_messages as workers
from sealock.keeper.protocol import BadFrame, decode_reply, decode_request, encode_reply, encode_request
from tests.support.keeper import BUILDER, ORIGIN, TOKEN, signed_issue, terms

SEALED = Sealed(TOKEN, 1, "suite", b"\x00\xff" * 40, 1.5)
OWNER = TOKEN.owner
OLD = SealedKey(1, "algorithm", "kek", "n", "w", "n", "c")
COST = keys.BackupCost(salt=bytes(16), iterations=3, memory=64, lanes=4)
ABOUT_KEYS: list[keys.KeyRequest] = [
    keys.AskKeys(),
    keys.AskOwners(after=OWNER),
    keys.DestroyKeys(owner=Owner("team")),
    keys.Adopt(
        key=keys.OldKey(id="0" * 32, name="parser", public_key="ssh-ed25519 AAAA", origin=ORIGIN, sealed=OLD)
    ),
    keys.BeginRotation(level="root"),
    keys.Rewrap(generation=1),
    keys.Renew(generation=1, owner=OWNER),
    keys.Reseal(generation=1, sealed=(SEALED,)),
    keys.DropOld(generation=1, owner=OWNER, version=2),
    keys.EndRotation(generation=1),
    keys.BackUp(cost=COST, key=bytes(32), number=0),
    keys.Restore(format=2, cost=COST, key=bytes(32), number=0, last=True, data=b"\xff", trial=True),
    keys.ChangePassphrase(new=b"\xff\x00"),
]
REQUESTS: list[protocol.Request] = [
    signed_issue(terms(), BUILDER, bytes(32), 1.0),
    protocol.Open(sealed=(SEALED,), step="unit", lease="a.b", nonce=bytes(range(16))),
    protocol.Open(sealed=(SEALED,), session="a.b", grant="c.d", nonce=bytes(16)),
    protocol.End(lease="a.b"),
    protocol.Revoke(grant="g"),
    protocol.EndAll(),
    protocol.AskStatus(),
    protocol.AskExposures(builds=("b",)),
    *ABOUT_KEYS,
    workers.AskKnown(keys=(bytes(32),)),
    workers.AskWorkers(),
    workers.AdmitWorker(name="run@local", key=bytes(32)),
    workers.RemoveWorker(name="builder-1", key=bytes(32)),
]
LONG = protocol.Handed(
    values=(protocol.HandedValue(sealed=bytes(protocol.LONGEST_REPLY), entry=1, digest=""),)
)
GOOD = encode_request(REQUESTS[1])


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.op)
def test_a_request_is_read_as_it_was_written(request_: protocol.Request) -> None:
    assert decode_request(encode_request(request_)) == request_


@pytest.mark.parametrize(
    "reply",
    [
        protocol.Issued(lease="a.b"),
        protocol.Handed(values=(protocol.HandedValue(sealed=b"\x00\xff", entry=1, digest="00"),)),
        protocol.Done(),
        protocol.No(reference="r"),
        protocol.Away(reference="r"),
        protocol.Retired(),
        workers.Known(names=("builder-1", ""), now=1.0, peer="web"),
        workers.Workers(workers=(workers.ListedWorker(name="a", key=bytes(32), since=1.0, by="local"),)),
        workers.Admitted(before=None),
        protocol.Told(version="1", epoch=1, now=1.0, entries=0, achieved=("a",)),
        keys.Keys(
            backend="file",
            key="file:0",
            why="",
            advice="",
            notes=("a",),
            owners=1,
            destroyed=0,
            unfinished="root",
            root_rotated_at=1.5,
            sets_rotated_at=None,
        ),
        keys.Owners(owners=(OWNER, Owner("team")), more=True),
        keys.Resealed(sealed=(SEALED,)),
        keys.RotationUnderWay(level="sets", generation=2, resumed=True, owners=3),
        keys.Rewrapped(after=OWNER, done=1),
        keys.Renewed(key=PublicKey(OWNER, 2, bytes(32))),
        keys.Renewed(key=None),
        keys.RotationDone(owners=3, kept=0, old_key="gone"),
        keys.BackedUp(data=b"\x00\xff", after=None),
        keys.Restored(owners=1),
        keys.Cannot(kind="usage", brief="b", details="d", resolution="r"),
    ],
)
def test_a_reply_is_read_as_it_was_written(reply: protocol.Reply) -> None:
    assert decode_reply(encode_reply(reply)) == reply


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_whatever_a_stranger_sends_is_refused(content: bytes) -> None:
    with pytest.raises(BadFrame):
        decode_request(content)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_request_is_another_one_or_refused(data: st.DataObject) -> None:
    content = bytearray(GOOD)
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode_request(bytes(content))
    except BadFrame as error:
        assert error.__cause__ is None
    else:
        assert encode_request(found) == bytes(content)


def _with(**changes: object) -> bytes:
    told = json.loads(GOOD)
    told["request"].update(changes)
    return json.dumps(told, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "content",
    [
        GOOD + b" ",
        GOOD.replace(b'{"op"', b'{ "op"'),
        GOOD.replace(b'"step":"unit"', b'"step":"unit","step":"unit"'),
        _with(more=1),
        _with(op="exec"),
        _with(step=None),
        _with(nonce="AAAA"),
        _with(lease=7),
        GOOD.replace(b'"name":"TOKEN"', b'"name":"../TOKEN"'),
        GOOD.replace(b'"project":"parser"', b'"project":"-x"'),
        GOOD.replace(b'"version":1', b'"version":0'),
        GOOD.replace(b'"kind":"variable"', b'"kind":"root"'),
        GOOD.replace(b'"created_at":1.5', b'"created_at":NaN'),
        b"[" * 100_000,
        b"\xff\xfe",
        b"null",
        b"",
    ],
)
def test_other_spellings_and_shapes_are_refused(content: bytes) -> None:
    with pytest.raises(BadFrame):
        decode_request(content)


def test_why_it_was_refused_holds_nothing_of_what_was_sent() -> None:
    """It goes into the keeper's log."""
    for content in (_with(op="canary"), _with(lease={"canary": 1}), _with(canary=1), b"canary"):
        with pytest.raises(BadFrame) as refused:
            decode_request(content)
        assert "canary" not in str(refused.value)
        assert refused.value.__suppress_context__, "the cause would show it in a traceback"


@pytest.mark.parametrize("value", [b"{}", b"[]", b"0"])
def test_a_request_of_many_wrong_values_costs_next_to_nothing(value: bytes) -> None:
    """A worker's goes through the website, which has other things to do: it took seconds and a gigabyte."""
    many = protocol.LONGEST_REQUEST // (len(value) + 1) - 100
    content = b'{"sealock":1,"request":{"op":"open","sealed":[' + b",".join([value] * many) + b"]}}"

    def decode() -> None:
        with pytest.raises(BadFrame):
            decode_request(content)

    numbers = b"[" + b"0," * (len(content) // 2) + b"0]"
    assert seconds(decode) < seconds(lambda: json.loads(numbers)), "as long as it takes to read it"


def seconds(work: Callable[[], object]) -> float:
    """Of the processor; the least of a few times, on whatever host."""
    found = []
    for _ in range(3):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def test_the_fullest_request_is_taken() -> None:
    names = tuple(replace(TOKEN, version=number + 1) for number in range(MOST_SECRETS))
    steps = [LeasedStep(f"test:{number}", "test", "unit") for number in range(MOST_STEPS)]
    full = replace(terms(), steps=(replace(steps[0], secrets=names), *steps[1:]))
    issue = signed_issue(full, BUILDER, bytes(32), 1.0)
    opening = protocol.Open(
        sealed=tuple(Sealed(name, 1, "suite", bytes(4000), 0.0) for name in names), nonce=bytes(16)
    )
    for request_ in (issue, opening):
        assert decode_request(encode_request(request_)) == request_


def test_what_is_too_long_is_not_sent() -> None:
    with pytest.raises(BadFrame, match="too long"):
        encode_reply(LONG)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ((11).to_bytes(4, "big") + bytes(11), "too long"),
        (b"\xff\xff\xff\xff", "too long"),
        ((10).to_bytes(4, "big") + bytes(9), "cut short"),
        (b"\x00\x00", "cut short"),
        (b"", "cut short"),
    ],
)
async def test_frames_too_long_or_cut_short(sent: bytes, why: str) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(sent)
    reader.feed_eof()
    with pytest.raises(BadFrame, match=why):
        await protocol.read_frame(reader, 10)


def test_one_request_s_binding_is_no_other_s() -> None:
    assert protocol.binding(bytes(16), TOKEN) != protocol.binding(b"1" * 16, TOKEN)
