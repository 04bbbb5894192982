"""Which machines wait ready, for which kind of build, and that each serves once."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sealock.core.image import Image
from sealock.core.machine import Completed, MachineRecord, MachineSpec, MachineState, NetworkPolicy, Origin
from sealock.machines.pool import Pool
from tests.support.run import FakeImages

pytestmark = pytest.mark.anyio

IMAGE = FakeImages().find("python")
USUAL = MachineSpec(IMAGE.digest)
LARGE = replace(USUAL, memory_mib=4096)
NOTHING = Completed(0, b"", b"")


@dataclass
class WaitingGuest:
    """As much of a guest as a pool sees."""

    image: Image
    spec: MachineSpec
    record: MachineRecord
    is_ended: bool = False
    ran: list[list[str]] = field(default_factory=list)
    said: Completed = NOTHING

    def machine(self) -> Any:
        return self

    async def run(self, command: list[str]) -> Completed:
        """Nothing happens."""
        self.ran.append(command)
        return self.said

    async def start_ahead(self) -> None:
        """Nothing happens."""

    async def end(self) -> None:
        self.is_ended = True


@dataclass
class Makers:
    """What was made, the last one last."""

    made: list[WaitingGuest] = field(default_factory=list)
    acceleration: str = "tcg"
    said: Completed = NOTHING

    async def make(self, image: Image, spec: MachineSpec) -> Any:
        record = MachineRecord(
            str(len(self.made)), image.digest, Origin.CLONE, self.acceleration, NetworkPolicy.NONE, "SHA256:x"
        )
        record.enter(MachineState.STARTING)
        record.enter(MachineState.READY, time.time())
        self.made.append(WaitingGuest(image, spec, record, said=self.said))
        return self.made[-1]


async def test_what_it_was_filled_with_is_taken_from_it() -> None:
    makers = Makers()
    pool = Pool(1, makers.make)
    await pool.fill(IMAGE, USUAL)
    taken: Any = await pool.take(IMAGE, USUAL)
    assert taken is makers.made[0] and taken.record.origin is Origin.POOL
    assert await pool.take(IMAGE, USUAL) is not taken, "each serves once"
    await pool.close()


async def test_another_kind_asked_for_in_between_leaves_it_full() -> None:
    makers = Makers()
    pool = Pool(1, makers.make)
    await pool.fill(IMAGE, USUAL)
    other: Any = await pool.take(IMAGE, LARGE)
    assert (other.spec, other.record.origin) == (LARGE, Origin.CLONE)
    assert not makers.made[0].is_ended
    taken: Any = await pool.take(IMAGE, USUAL)
    assert taken is makers.made[0]
    await pool.close()


async def test_an_image_that_was_built_anew_takes_the_place_of_the_old_one() -> None:
    makers = Makers()
    pool = Pool(1, makers.make)
    await pool.fill(IMAGE, USUAL)
    newer = replace(IMAGE, digest="sha256:" + "9" * 64)
    taken: Any = await pool.take(newer, replace(USUAL, image=newer.digest))
    assert makers.made[0].is_ended, "nobody asks for it any more"
    assert taken.spec.image == newer.digest
    await pool.close()


async def test_what_waits_is_ended_with_it() -> None:
    makers = Makers()
    pool = Pool(2, makers.make)
    await pool.fill(IMAGE, USUAL)
    await pool.close()
    assert [guest.is_ended for guest in makers.made] == [True, True]


async def test_without_a_size_none_waits() -> None:
    makers = Makers()
    pool = Pool(0, makers.make)
    await pool.fill(IMAGE, USUAL)
    assert makers.made == []
    assert (await pool.take(IMAGE, USUAL)).record.origin is Origin.CLONE


async def test_a_fetch_is_rehearsed_where_the_processor_is_emulated_and_only_there() -> None:
    for acceleration, programs in {"tcg": ["sh"], "kvm": ["true"]}.items():
        makers = Makers(acceleration=acceleration)
        pool = Pool(1, makers.make)
        await pool.fill(IMAGE, USUAL)
        assert [command[0] for command in makers.made[0].ran] == programs
        await pool.close()


async def test_a_rehearsal_that_fails_is_told_and_the_machine_taken(caplog: pytest.LogCaptureFixture) -> None:
    makers = Makers(said=Completed(127, b"", b"git: not found"))
    pool = Pool(1, makers.make)
    await pool.fill(IMAGE, USUAL)
    assert "git: not found" in caplog.text
    taken: Any = await pool.take(IMAGE, USUAL)
    assert taken is makers.made[0]
    await pool.close()
