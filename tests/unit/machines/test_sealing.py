"""What is made a template of can be changed by nobody afterwards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from sealock.core.errors import TemporaryError
from sealock.core.image import Image
from sealock.core.machine import MachineSpec, NetworkPolicy
from sealock.machines import sealing
from sealock.machines.host import Host
from sealock.machines.template import Template

pytestmark = pytest.mark.anyio
SPEC = MachineSpec(image="sha256:" + "0" * 64, network=NetworkPolicy.INTERNET)


class StandIn:
    """A guest that boots at once, or not at all."""

    boots = True
    spec: MachineSpec
    has_ended = False

    def __init__(self, host: object, image: object, spec: MachineSpec, origin: object) -> None:
        type(self).spec, type(self).has_ended = spec, False

    async def begin(self, memory: int, start: object) -> None:
        os.pwrite(memory, b"its memory", 0)

    async def boot(self) -> None:
        if not self.boots:
            raise TemporaryError("it does not come up")

    async def save(self, state: int) -> None:
        os.write(state, b"its devices")

    async def end(self) -> None:
        type(self).has_ended = True


async def made(monkeypatch: pytest.MonkeyPatch) -> Template:
    monkeypatch.setattr(sealing, "Guest", StandIn)
    return await sealing.make(cast("Host", None), cast("Image", None), SPEC)


async def test_a_template_that_was_made_is_sealed_in_both_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: one machine writes into what all the next ones are begun from."""
    template = await made(monkeypatch)
    for part, content in ((template.memory, b"its memory"), (template.state, b"its devices")):
        assert os.pread(part, len(content), 0) == content
        for change in (lambda: os.pwrite(part, b"x", 0), lambda: os.ftruncate(part, 1)):  # noqa: B023 - called in its turn
            with pytest.raises(OSError, match="not permitted"):
                change()
    template.close()
    assert StandIn.has_ended


async def test_it_is_made_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    (await made(monkeypatch)).close()
    assert StandIn.spec.network is NetworkPolicy.NONE


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_of_one_that_does_not_come_up_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StandIn, "boots", False)
    before = open_files()
    with pytest.raises(TemporaryError):
        await made(monkeypatch)
    assert StandIn.has_ended
    assert open_files() == before
