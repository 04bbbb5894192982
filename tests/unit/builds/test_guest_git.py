"""How Git is run in a machine: what it finds in its environment, and what it is kept from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealock.builds.guest_git import GitFailed, GuestGit, Route
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


@pytest.fixture
async def git(tmp_path: Path) -> AsyncIterator[GuestGit]:
    """An empty repository in a machine that lies in a directory of ours."""
    async with FakeMachines(tmp_path).machine(MachineSpec(image="sha256:" + "0" * 64)) as machine:
        made = GuestGit(machine, f"{machine.home}/repository")
        await made.init(None, "sha1")
        yield made


async def test_a_repository_begins_without_hooks_and_runs_none(git: GuestGit, tmp_path: Path) -> None:
    """The attack: what was fetched, or an image's templates, leaves a program where Git looks for hooks."""
    hooks, ran = Path(git.git_dir) / "hooks", tmp_path / "ran"
    assert not hooks.exists()
    hooks.mkdir()
    hook = hooks / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch '{ran}'\n")
    hook.chmod(0o700)
    tree = (await git.must("hash-object", "-t", "tree", "-w", "--stdin")).decode().strip()
    await git.must("update-ref", "refs/sealock/any", tree)
    assert not ran.exists()
    await git.must("-c", f"core.hooksPath={hooks}", "update-ref", "refs/sealock/other", tree)
    assert ran.exists(), "else no hook would have run anyway"


@pytest.mark.parametrize(
    "url", ["git://127.0.0.1:1/x", "https://127.0.0.1:1/x", "file:///nowhere", "/nowhere", "ext::sh -c id"]
)
async def test_nothing_is_fetched_but_over_ssh(git: GuestGit, url: str) -> None:
    with pytest.raises(GitFailed) as failed:
        await git.fetch(Route(url), "main", 1)
    assert "not allowed" in failed.value.said


async def test_an_address_is_no_option(git: GuestGit) -> None:
    with pytest.raises(GitFailed) as failed:
        await git.fetch(Route("--no-such-option"), "main", 1)
    assert "unknown option" not in failed.value.said
