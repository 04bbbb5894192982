"""A template: sealed against everybody, kept whole or not at all, loaded only if it is what was kept."""

from __future__ import annotations

import fcntl
import gc
import json
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sealock.machines.template import Lock, Template, drop_oldest, load, new_memory, remove, save, seal

SIZE = 8 << 20
HOLE = 1 << 20


@pytest.fixture
def directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="sealock-test-", dir="/dev/shm") as name:
        yield Path(name) / "kept"


@pytest.fixture
def template() -> Iterator[Template]:
    """With some data in its memory, holes around it, and a state."""
    made = Template(new_memory(SIZE), new_memory(0, "sealock-state"), SIZE)
    os.pwrite(made.memory, b"first", 0)
    os.pwrite(made.memory, b"middle" * 1000, 3 << 20)
    os.write(made.state, b"device state")
    seal(made.memory)
    seal(made.state)
    yield made
    made.close()


def _map_for_writing(descriptor: int) -> None:
    mmap.mmap(descriptor, SIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE).close()


def _through_proc(descriptor: int) -> None:
    again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
    try:
        os.pwrite(again, b"x", 0)
    finally:
        os.close(again)


ATTACKS: dict[str, Callable[[int], object]] = {
    "write": lambda descriptor: os.pwrite(descriptor, b"x", 0),
    "write into a hole": lambda descriptor: os.pwrite(descriptor, b"x", HOLE),
    "write through /proc": _through_proc,
    "write at its end": lambda descriptor: os.pwrite(descriptor, b"x", SIZE),
    "shrink": lambda descriptor: os.ftruncate(descriptor, 1),
    "grow": lambda descriptor: os.ftruncate(descriptor, 2 * SIZE),
    "map for writing": _map_for_writing,
    "lift a seal": lambda descriptor: fcntl.fcntl(descriptor, 1033, 0),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
def test_a_sealed_memory_cannot_be_changed(template: Template, attack: Callable[[int], object]) -> None:
    with pytest.raises(OSError, match="not permitted"):
        attack(template.memory)


@pytest.mark.parametrize("attack", list(ATTACKS.values())[:-1], ids=list(ATTACKS)[:-1])
def test_one_that_is_not_sealed_can(attack: Callable[[int], object]) -> None:
    descriptor = new_memory(SIZE)
    try:
        attack(descriptor)
    finally:
        os.close(descriptor)


def test_a_memory_somebody_may_still_write_is_not_sealed() -> None:
    descriptor = new_memory(SIZE)
    with mmap.mmap(descriptor, SIZE), pytest.raises(OSError, match="busy"):
        seal(descriptor)
    seal(descriptor)
    os.close(descriptor)


def test_a_private_copy_changes_only_itself(template: Template) -> None:
    with mmap.mmap(template.memory, SIZE, mmap.MAP_PRIVATE) as copy:
        copy[:5] = b"other"
        assert os.pread(template.memory, 5, 0) == b"first"


def test_what_is_kept_is_what_is_loaded(template: Template, directory: Path) -> None:
    save(template, directory)
    loaded = load(directory)
    assert loaded is not None
    assert loaded.size == SIZE
    assert os.pread(loaded.memory, SIZE, 0) == os.pread(template.memory, SIZE, 0)
    assert os.fstat(loaded.memory).st_blocks * 512 < HOLE, "the holes are not filled"
    state = loaded.open_state()
    assert os.read(state, 100) == b"device state"
    os.close(state)
    for part in (loaded.memory, loaded.state):
        with pytest.raises(OSError, match="not permitted"):
            os.pwrite(part, b"x", 0)
    loaded.close()


def test_nobody_else_can_read_what_is_kept(template: Template, directory: Path) -> None:
    save(template, directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o377 for path in directory.glob("[ms]*")} == {0}


def test_it_replaces_what_was_kept_before(template: Template, directory: Path) -> None:
    Path(f"{directory}.new").mkdir(parents=True)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "template.json").write_text("old")
    save(template, directory)
    assert sorted(path.name for path in directory.parent.iterdir()) == ["kept"]
    loaded = load(directory)
    assert loaded is not None
    loaded.close()


def test_nothing_is_kept_where_there_is_no_room(template: Template, directory: Path) -> None:
    directory.parent.rmdir()
    directory.parent.write_text("a file")
    with pytest.raises(OSError, match=r"."):
        save(template, directory)
    directory.parent.unlink()
    directory.parent.mkdir()


def test_there_may_be_none(directory: Path) -> None:
    assert load(directory) is None
    remove(directory)


def _flip(path: Path, offset: int) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def _cut(path: Path, size: int) -> None:
    path.chmod(0o600)
    os.truncate(path, size)


def _exchange(kept: Path) -> None:
    (kept / "memory").rename(kept / "x")
    (kept / "state").rename(kept / "memory")
    (kept / "x").rename(kept / "state")


def _make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _about(directory: Path, **changes: object) -> None:
    path = directory / "template.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a bit of memory": lambda kept: _flip(kept / "memory", (3 << 20) + 17),
    "a bit in a hole of memory": lambda kept: _flip(kept / "memory", HOLE),
    "a bit of state": lambda kept: _flip(kept / "state", 3),
    "memory cut short": lambda kept: _cut(kept / "memory", SIZE // 2),
    "memory grown": lambda kept: _cut(kept / "memory", SIZE * 2),
    "no memory": lambda kept: (kept / "memory").unlink(),
    "state cut short": lambda kept: _cut(kept / "state", 0),
    "no state": lambda kept: (kept / "state").unlink(),
    "memory and state exchanged": _exchange,
    "a directory for memory": lambda kept: _make_directory(kept / "memory"),
    "no JSON": lambda kept: (kept / "template.json").write_text("\0\1\2"),
    "no text": lambda kept: (kept / "template.json").write_bytes(b"\xff\xfe"),
    "empty": lambda kept: (kept / "template.json").write_text(""),
    "deep JSON": lambda kept: (kept / "template.json").write_text("[" * 100_000),
    "another JSON": lambda kept: (kept / "template.json").write_text("[1, 2]"),
    "a directory": lambda kept: _make_directory(kept / "template.json"),
    "no sums": lambda kept: _about(kept, sha256=None),
    "other sums": lambda kept: _about(kept, sha256={"memory": 1}),
    "a list of sums": lambda kept: _about(kept, sha256=[1, 2]),
    "a size below nothing": lambda kept: _about(kept, size=-1),
    "a size beyond everything": lambda kept: _about(kept, size=1 << 70),
    "another size": lambda kept: _about(kept, size=SIZE - 4096),
    "a size of words": lambda kept: _about(kept, size="large"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_what_is_damaged_is_not_loaded(
    template: Template, directory: Path, damage: Callable[[Path], object]
) -> None:
    save(template, directory)
    damage(directory)
    gc.collect()  # what other tests left to it is not to be missed below
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(ValueError, match=str(directory)):
        load(directory)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_one_process_at_a_time_makes_a_template(directory: Path) -> None:
    first, second = Lock(directory), Lock(directory)
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()


def test_only_the_copies_used_last_are_kept(directory: Path, template: Template) -> None:
    names = ["a", "b", "c", "d"]
    for age, name in enumerate(names):
        save(template, directory / name)
        os.utime(directory / name / "template.json", (1000 - age,) * 2)
    loaded = load(directory / "d")  # the oldest until now
    assert loaded is not None
    loaded.close()
    busy = Lock(directory / "c")
    assert busy.take()
    (directory / "e.new").mkdir()
    (directory / "e.new/template.json").touch()
    assert drop_oldest(directory, 2) == [directory / "b"]
    busy.release()
    assert {path.name for path in directory.iterdir() if path.is_dir()} == {"a", "c", "d", "e.new"}
