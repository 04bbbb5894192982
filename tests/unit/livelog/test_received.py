"""Sealed logs that arrive in pieces, again and again, out of order, from workers that mean well or not."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealock.core.errors import TemporaryError, UsageError
from sealock.core.secret import Secret
from sealock.livelog.files import LogFiles
from sealock.livelog.format import FILE_HEADER_LENGTH
from sealock.livelog.received import ReceivedLogs
from tests.unit.livelog.conftest import BUILD, KEY, KeepLog


@pytest.fixture
def sent(keep_log: KeepLog, logs: LogFiles) -> bytes:
    """A sealed log, as its worker has it."""
    keep_log(*[b"line %d\n" % number * 50 for number in range(20)])
    path = logs.place(BUILD)
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.fixture
def received(logs: LogFiles) -> ReceivedLogs:
    return ReceivedLogs(logs.directory)


def test_what_its_digest_was_told_of_outlives_a_power_cut(
    received: ReceivedLogs, logs: LogFiles, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receipt names it, so the log must be there as long as the receipt is."""
    flushed: list[str] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        real(descriptor)
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - no path of ours

    received.append(BUILD, 0, sent)
    monkeypatch.setattr(os, "fsync", noting)
    received.digest(BUILD)
    assert flushed == [str(logs.place(BUILD)), str(logs.directory)]


def test_what_came_in_pieces_can_be_read(received: ReceivedLogs, logs: LogFiles, sent: bytes) -> None:
    assert not logs.has_begun(BUILD)
    for start in range(0, len(sent), 97):
        assert received.append(BUILD, start, sent[start : start + 97]) == min(len(sent), start + 97)
        assert logs.has_begun(BUILD) == (start + 97 >= FILE_HEADER_LENGTH)
    assert received.digest(BUILD) == f"sha256:{hashlib.sha256(sent).hexdigest()}"
    with logs.open(BUILD, Secret(KEY)) as reader:
        assert reader.complete
        assert reader.lines == 1000
    assert logs.place(BUILD).stat().st_mode & 0o777 == 0o600


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 700), st.booleans()), max_size=40))
def test_any_pieces_in_any_order_make_a_beginning_of_the_same_file(
    tmp_path: Path, pieces: list[tuple[int, int, bool]]
) -> None:
    """Sent again, sent too far ahead, sent to a website that was started anew."""
    content = (b"sealock-log 1\n" + bytes.fromhex(BUILD) + bytes(range(256)) * 20)[:4000]
    directory = tmp_path / os.urandom(4).hex()
    files = LogFiles(directory)
    received, kept = ReceivedLogs(directory), 0
    for offset, length, from_where_it_is in pieces:
        begin = kept if from_where_it_is else offset
        data = content[begin : begin + length]
        expected = max(kept, begin + len(data)) if begin <= kept else kept
        kept = received.append(BUILD, begin, data)
        assert kept == expected
        there = files.place(BUILD).read_bytes() if files.place(BUILD).exists() else b""
        assert there == content[:kept]


def test_other_bytes_than_before_are_refused(received: ReceivedLogs, logs: LogFiles, sent: bytes) -> None:
    received.append(BUILD, 0, sent[:1000])
    for offset, data in ((999, b"x" * 50), (0, sent[:500] + b"y" * 600), (62, b"z")):
        with pytest.raises(UsageError, match="other bytes"):
            received.append(BUILD, offset, data)
    assert logs.place(BUILD).read_bytes() == sent[:1000]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "../" + "a" * 29,
        "a/" + "b" * 30,
        "A" * 32,
        "a" * 31,
        "a" * 33,
        "a" * 32 + "\n",
        "a" * 30 + "/.",
        "\0" * 32,
    ],
)
def test_only_an_id_names_a_file(received: ReceivedLogs, logs: LogFiles, wrong: str) -> None:
    with pytest.raises(UsageError, match="no log"):
        received.append(wrong, 0, b"x")
    with pytest.raises(UsageError, match="no log"):
        received.digest(wrong)
    assert not logs.directory.exists()


def test_a_file_holds_the_log_of_its_own_build_alone(
    received: ReceivedLogs, logs: LogFiles, sent: bytes
) -> None:
    other = BUILD[::-1]
    for offset, data in ((0, sent), (0, b"#!/bin/sh\n"), (0, b"sealock-log 2\n")):
        with pytest.raises(UsageError, match="not bytes of the log"):
            received.append(other, offset, data)
    assert not logs.place(other).exists()


def test_a_log_has_an_end(logs: LogFiles, sent: bytes) -> None:
    received = ReceivedLogs(logs.directory, longest=1000)
    received.append(BUILD, 0, sent[:1000])
    for offset, length in ((1000, 1), (0, 1001), (-1, 1), (1 << 62, 1)):
        with pytest.raises(UsageError, match="cannot have bytes"):
            received.append(BUILD, offset, bytes(length))
    assert logs.place(BUILD).read_bytes() == sent[:1000]


def test_a_link_is_not_followed(received: ReceivedLogs, logs: LogFiles, sent: bytes, tmp_path: Path) -> None:
    logs.directory.mkdir(mode=0o700, exist_ok=True)
    target = tmp_path / "target"
    target.write_bytes(b"")
    logs.place(BUILD).symlink_to(target)
    with pytest.raises(TemporaryError, match="cannot be kept"):
        received.append(BUILD, 0, sent)
    assert target.read_bytes() == b""


def test_a_removed_log_is_not_made_again(received: ReceivedLogs, logs: LogFiles, sent: bytes) -> None:
    received.append(BUILD, 0, sent[:500])
    logs.remove(BUILD, "ann")
    for offset in (500, 0):
        with pytest.raises(UsageError, match="was removed"):
            received.append(BUILD, offset, sent[offset:])
    with pytest.raises(UsageError, match="was removed"):
        received.digest(BUILD)
    assert not logs.place(BUILD).exists()


def test_a_log_that_is_removed_while_it_comes_stays_so(received: ReceivedLogs, logs: LogFiles) -> None:
    """Whoever removes it is between any two steps of whoever keeps it."""
    for number in range(60):
        build = f"{number:032x}"
        piece = b"sealock-log 1\n" + bytes.fromhex(build) + bytes(64)
        received.append(build, 0, piece)

        with ThreadPoolExecutor(4) as threads:
            keepers = [threads.submit(_keep_on, received, build, piece) for _ in range(4)]
            logs.remove(build, "ann")
        assert all("was removed" in keeper.result() for keeper in keepers)
        assert not logs.place(build).exists()


def _keep_on(received: ReceivedLogs, build: str, piece: bytes) -> str:
    """Until it is refused; what was said then."""
    while True:
        try:
            received.append(build, 0, piece)
        except UsageError as error:
            return error.brief


def test_many_that_send_the_same_log_at_once_make_one(received: ReceivedLogs, logs: LogFiles) -> None:
    """As two websites do that were both sent a piece, since the worker did not hear from the first."""
    content = _long(400_000)

    def send(size: int) -> None:
        kept = 0
        while kept < len(content):
            kept = received.append(BUILD, kept, content[kept : kept + size])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(send, [700, 1000, 1300, 1700, 2300, 3100]))
    assert logs.place(BUILD).read_bytes() == content


def test_of_two_that_send_other_bytes_one_is_refused(received: ReceivedLogs, logs: LogFiles) -> None:
    """Never is something of each kept, whenever they meet."""
    for number in range(150):
        run = f"{number:032x}"
        beginning = b"sealock-log 1\n" + bytes.fromhex(run)
        contents = [beginning + bytes([letter]) * 600_000 for letter in b"ab"]
        with ThreadPoolExecutor(2) as threads:
            kept = list(threads.map(lambda each, run=run: _refused(received, run, each), contents))
        assert sorted(kept) == [False, True]
        assert logs.place(run).read_bytes() == contents[kept.index(False)]
        logs.remove(run, "ann")


def _refused(received: ReceivedLogs, run: str, content: bytes) -> bool:
    try:
        return received.append(run, 0, content) != len(content)
    except UsageError:
        return True


def test_a_website_that_is_killed_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    content, directory = tmp_path / "content", tmp_path / "logs"
    content.write_bytes(_long(3_000_000))
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", SENDER, str(content), str(directory), BUILD], stdout=subprocess.PIPE
        ) as sender:
            assert sender.stdout is not None
            acknowledged = [int(sender.stdout.readline()) for _ in range(20)]
            sender.kill()
            acknowledged += [
                int(line) for line in sender.stdout.read().splitlines(keepends=True) if line[-1:] == b"\n"
            ]
        kept = LogFiles(directory).place(BUILD).read_bytes()
        assert max(acknowledged) <= len(kept)
        assert content.read_bytes().startswith(kept)


SENDER = """
import sys
from pathlib import Path
from sealock.livelog.received import ReceivedLogs
content, received = Path(sys.argv[1]).read_bytes(), ReceivedLogs(Path(sys.argv[2]))
kept = received.append(sys.argv[3], 0, content[:1000])
while True:
    print(kept, flush=True)
    kept = received.append(sys.argv[3], kept, content[kept : kept + 997])
"""


def _long(length: int) -> bytes:
    return b"sealock-log 1\n" + bytes.fromhex(BUILD) + os.urandom(length)
