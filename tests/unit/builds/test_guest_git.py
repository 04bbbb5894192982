"""What Git finds in its environment in a machine, by the processor it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.builds.guest_git import GuestGit
from sealock.core.machine import MachineSpec
from sealock.machines.fake import FakeMachines

pytestmark = pytest.mark.anyio
TELL = ("-c", "alias.tell=!printenv GLIBC_TUNABLES || :", "tell")


@pytest.mark.parametrize(
    ("acceleration", "said"), [("tcg", b"glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load\n"), ("kvm", b"")]
)
async def test_an_emulated_processor_copies_without_avx(
    acceleration: str, said: bytes, tmp_path: Path
) -> None:
    async with FakeMachines(tmp_path).machine(MachineSpec(image="sha256:" + "0" * 64)) as machine:
        machine.record.acceleration = acceleration
        git = GuestGit(machine, f"{machine.home}/repository")
        await git.init(None, "sha1")
        assert await git.must(*TELL) == said
