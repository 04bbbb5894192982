"""Whether machines run on KVM or in software emulation.

A device named /dev/kvm proves nothing: on some nested hosts it opens and no kernel gets past its first
instructions. So KVM has to boot a tiny guest first, within a deadline; the answer is remembered for this
boot, kernel and QEMU.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
from contextlib import suppress

from sealock.core.errors import PermanentError, SealockError
from sealock.core.files import write_whole
from sealock.core.image import Image, Images
from sealock.machines.containment import KVM, kvm_groups
from sealock.machines.options import MachineOptions

log = logging.getLogger(__name__)
# A guest under working KVM is up and off again in about a second.
PROOF_SECONDS = 15.0


async def decide(options: MachineOptions, images: Images) -> str:
    """`kvm` or `tcg`. PermanentError if KVM was asked for by name and does not work."""
    if options.acceleration == "tcg":
        return "tcg"
    works = KVM.exists() and await _works(options, images)
    if options.acceleration == "kvm" and not works:
        raise PermanentError(
            "KVM does not work on this host",
            details=f"{KVM} is missing or for root alone, or a small guest did not get through its boot.",
            resolution=f"Let a group other than root's read and write {KVM}, set acceleration to 'auto' or "
            "'tcg', or run Sealock where virtualization works.",
        )
    return "kvm" if works else "tcg"


async def qemu_version(program: str) -> str:
    """The first line QEMU says of itself. PermanentError if it says none."""
    process = await asyncio.create_subprocess_exec(
        program, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complaint = await process.communicate()
    if process.returncode != 0 or not said:
        raise PermanentError(
            f"{program} does not run",
            details=complaint.decode(errors="replace").strip(),
            resolution="Install the package qemu-system-x86, or set qemu to the right program.",
        )
    return said.decode(errors="replace").splitlines()[0]


async def _works(options: MachineOptions, images: Images) -> bool:
    groups = kvm_groups()
    key = f"{platform.release()} / {await qemu_version(options.qemu)} / {groups}"
    remembered = options.runtime_dir / "acceleration.json"
    with suppress(OSError, ValueError, AttributeError):
        answer = json.loads(remembered.read_text()).get(key)
        if isinstance(answer, bool):
            return answer
    image = _any_image(images)
    if image is None:
        return False
    works = groups is not None and await prove(options.qemu, image)
    if not works:
        log.warning(
            "KVM is there but does not work on this host%s, so machines run in software emulation, which is "
            "about twenty times slower.",
            "" if groups is not None else f" for the user of machines ({KVM} has no group of its own)",
        )
    with suppress(OSError):
        write_whole(remembered, json.dumps({key: works}).encode())
    return works


def _any_image(images: Images) -> Image | None:
    with suppress(SealockError):
        return next(iter(images.all()), None)
    return None


async def prove(qemu: str, image: Image, seconds: float = PROOF_SECONDS) -> bool:
    """Whether a guest that does nothing but power off gets there under KVM."""
    process = await asyncio.create_subprocess_exec(
        *(qemu, "-machine", "q35,graphics=off", "-accel", "kvm", "-cpu", "host", "-m", "128"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd)),
        *("-append", "quiet panic=-1 rdinit=/bin/busybox -- poweroff -f"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            return await process.wait() == 0
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            os.kill(process.pid, 9)
            await process.wait()
