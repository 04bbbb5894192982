"""The QEMU arguments that promises rest on, and what tells one template from another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sealock.machines.hardware import Hardware, Start, Wires, arguments

PLAIN = Hardware("tcg", 1024, 1, 768, "sha256:1", "QEMU 7.2")
WIRES = Wires(10, 11, 12, 13, 14, 15, 16)


def words(hardware: Hardware = PLAIN, start: Start = Start.CLONE) -> list[str]:
    return arguments(hardware, WIRES, machine="0" * 32, start=start)


def after(option: str, words: list[str]) -> list[str]:
    return [words[n + 1] for n, word in enumerate(words) if word == option]


@pytest.mark.parametrize("kind", ["tcg", "kvm"])
@pytest.mark.parametrize("start", Start)
def test_guest_memory_is_never_dumped_or_merged(kind: str, start: Start) -> None:
    said = words(replace(PLAIN, acceleration=kind), start)
    assert "dump-guest-core=off,mem-merge=off" in after("-machine", said)[0]
    assert "dump=off,merge=off" in after("-object", said)[0]


def test_a_clone_copies_and_a_template_writes_through() -> None:
    assert "share=off" in after("-object", words())[0]
    assert "share=on" in after("-object", words(start=Start.TEMPLATE))[0]


def test_no_disk_can_be_written() -> None:
    assert "-drive" not in words()
    assert "-snapshot" not in words()
    assert all("read-only=on" in each for each in after("-blockdev", words()))
    assert len(after("-blockdev", words())) == 1


def test_every_file_is_one_that_was_handed_over() -> None:
    for word in words():
        for part in word.replace("=", ",").split(","):
            assert not part.startswith("/") or part.startswith("/proc/self/fd/"), word


def test_the_filter_of_system_calls_is_on() -> None:
    (sandbox,) = after("-sandbox", words())
    for part in ("on", "obsolete=deny", "elevateprivileges=deny", "spawn=deny", "resourcecontrol=deny"):
        assert part in sandbox.split(",")


def test_there_is_no_device_but_those_that_are_needed() -> None:
    assert "-nodefaults" in words()
    assert [each.split(",")[0] for each in after("-device", words())] == [
        *(
            "virtio-blk-pci",
            "virtio-net-pci",
            "virtio-serial-pci",
            "virtserialport",
            "virtio-rng-pci",
            "vmgenid",
        )
    ]


def test_only_a_clone_waits_for_a_state() -> None:
    assert after("-incoming", words()) == ["defer"]
    assert after("-incoming", words(start=Start.BOOT)) == []


def test_only_a_template_is_made_warm() -> None:
    warm = {start for start in Start if "sealock.warm" in after("-append", words(start=start))[0]}
    assert warm == {Start.TEMPLATE}


def test_processes_have_one_layout_where_they_are_emulated_and_only_there() -> None:
    for start in Start:
        assert "norandmaps" in after("-append", words(start=start))[0].split()
        real = words(replace(PLAIN, acceleration="kvm"), start)
        assert "norandmaps" not in after("-append", real)[0].split()


@pytest.mark.parametrize(
    "change",
    [
        {"acceleration": "kvm"},
        {"memory_mib": 2048},
        {"cpus": 2},
        {"disk_mib": 512},
        {"image": "sha256:2"},
        {"qemu": "QEMU 10"},
    ],
    ids=str,
)
def test_other_hardware_is_another_template(change: dict[str, object]) -> None:
    assert replace(PLAIN, **change).key != PLAIN.key  # type: ignore[arg-type]


def test_the_same_hardware_is_the_same_template() -> None:
    assert replace(PLAIN).key == PLAIN.key
