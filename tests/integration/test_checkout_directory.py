"""Checkouts out of a directory of this host into a fake machine: nothing in the directory changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealock.core.errors import UsageError
from sealock.core.source import DirectorySource
from sealock.providers.git.local import LocalRepositories
from tests.support.checkout import Bench, KeyPair, commit, git, make_repository, memory

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Bench]:
    with memory() as runtime:
        # No server: nothing is fetched from one here.
        yield Bench(None, KeyPair(b"", ""), runtime, runtime / "machines")  # type: ignore[arg-type]


def traces(directory: Path) -> dict[str, tuple[int, str]]:
    """Time and content of everything below, links and directories included."""
    found = {}
    for path in sorted(directory.rglob("*")):
        text = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        content = hashlib.sha256(os.fsencode(text)).hexdigest()
        found[str(path.relative_to(directory))] = (path.lstat().st_mtime_ns, content)
    return found


async def test_head_lies_in_the_machine_and_needs_no_key(lab: Bench, tmp_path: Path) -> None:
    wanted = make_repository(tmp_path / "source")
    (tmp_path / "source/file").write_text("not committed\n")
    before = traces(tmp_path / "source")
    async with lab.machine() as machine:
        done = await lab.take(machine, DirectorySource(tmp_path / "source"))
        assert (done.commit, done.key_opened_at, done.key_removed_at) == (wanted, None, None)
        directory = Path(done.directory)
        assert (directory / "file").read_text() == "content\n"
        assert git(directory, "status", "--porcelain", "--branch") == "## main"
        assert git(directory, "remote") == ""
    assert traces(tmp_path / "source") == before
    assert list(lab.runtime.iterdir()) == [lab.root]


async def test_a_ref_a_worktree_a_bare_and_a_shallow_repository(lab: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    first = make_repository(source)
    git(source, "tag", "v1")
    git(source, "branch", "other")
    second = commit(source, {"file": "second\n"})
    git(source, "worktree", "add", "-q", str(tmp_path / "tree"), "other")
    git(tmp_path, "clone", "-q", "--bare", str(source), "bare.git")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{source}", "shallow")
    cases = (
        (DirectorySource(source, "v1"), first, 50),
        (DirectorySource(source, "refs/heads/other"), first, 50),
        (DirectorySource(source, first[:10]), first, 0),
        (DirectorySource(tmp_path / "tree"), first, 50),
        (DirectorySource(tmp_path / "bare.git"), second, 1),
        (DirectorySource(tmp_path / "shallow"), second, 0),
    )
    for place, wanted, depth in cases:
        async with lab.machine() as machine:
            assert (await lab.take(machine, place, depth)).commit == wanted


async def test_the_working_tree_as_it_lies_there(lab: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    head = make_repository(source, {"kept": "1\n", "changed": "1\n", "gone": "1\n", ".gitignore": "secret\n"})
    (source / "changed").write_text("2\r\n")
    (source / "gone").unlink()
    (source / "secret").write_text("password\n")
    (source / "new").mkdir()
    (source / "new/run").write_text("#!/bin/sh\n")
    (source / "new/run").chmod(0o755)
    (source / "link").symlink_to("new//./run")
    os.mkfifo(source / "pipe")
    (source / "ünï\ncode").write_text("odd\n")
    before = traces(source)
    async with lab.machine() as machine:
        done = await lab.take(machine, DirectorySource(source, working_tree=True))
        directory = Path(done.directory)
        names = {path.name for path in directory.iterdir()} - {".git"}
        assert names == {".gitignore", "kept", "changed", "new", "link", "ünï\ncode"}
        assert (directory / "changed").read_bytes() == b"2\r\n"
        assert os.access(directory / "new/run", os.X_OK)
        assert os.readlink(directory / "link") == "new//./run"  # noqa: PTH115
        assert git(directory, "rev-parse", "HEAD^") == head
        assert git(directory, "status", "--porcelain") == ""
    assert traces(source) == before
    async with LocalRepositories(lab.runtime).open(DirectorySource(source, working_tree=True)) as again:
        assert again.commit == done.commit
        assert await again.read_file("changed", 10) == b"2\r\n"
    assert list(lab.runtime.iterdir()) == [lab.root]


async def test_an_unchanged_working_tree_is_its_commit(lab: Bench, tmp_path: Path) -> None:
    head = make_repository(tmp_path / "source")
    async with LocalRepositories(lab.runtime).open(DirectorySource(tmp_path / "source", None, True)) as found:
        assert (found.commit, found.branch) == (head, "main")


async def test_a_working_tree_before_the_first_commit(lab: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    git(source, "init", "-q", "--object-format=sha256")
    (source / "file").write_text("first\n")
    async with lab.machine() as machine:
        done = await lab.take(machine, DirectorySource(source, working_tree=True))
        assert len(done.commit) == 64
        assert (Path(done.directory) / "file").read_text() == "first\n"


@pytest.mark.parametrize("ignored", ["", "conf\n"])
async def test_a_link_that_took_a_directorys_place_is_not_followed(
    lab: Bench, tmp_path: Path, ignored: str
) -> None:
    source = tmp_path / "source"
    make_repository(source, {"conf/passwd": "harmless\n"})
    (source / ".git/info/exclude").write_text(ignored)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "passwd").write_text("not yours\n")
    (source / "conf/passwd").unlink()
    (source / "conf").rmdir()
    (source / "conf").symlink_to(outside)
    async with lab.machine() as machine:
        done = await lab.take(machine, DirectorySource(source, working_tree=True))
        conf = Path(done.directory) / "conf"
        # The link itself comes along as it is, unless it is ignored.
        assert conf.is_symlink() == (not ignored)
        assert git(Path(done.directory), "ls-files") == ("" if ignored else "conf")


async def test_initialised_submodules_come_along(lab: Bench, tmp_path: Path) -> None:
    for name in ("lib", "other"):
        make_repository(tmp_path / name, {name: f"{name}\n"})
    source = tmp_path / "source"
    make_repository(source)
    for name in ("lib", "other"):
        git(source, "submodule", "--quiet", "add", f"../{name}", f"deps/{name}")
    commit(source, {})
    git(source, "submodule", "--quiet", "deinit", "--force", "deps/other")
    async with lab.machine() as machine:
        directory = Path((await lab.take(machine, DirectorySource(source))).directory)
        assert (directory / "deps/lib/lib").read_text() == "lib\n"
        assert not list((directory / "deps/other").iterdir())
    assert lab.notices == ["The submodule deps/other is left out: it is not initialised here."]
    (source / "deps/lib/lib").write_text("changed\n")
    async with lab.machine() as machine:
        directory = Path((await lab.take(machine, DirectorySource(source, working_tree=True))).directory)
        assert (directory / "deps/lib/lib").read_text() == "changed\n"


async def test_what_cannot_be_opened(lab: Bench, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q")
    make_repository(tmp_path / "source")
    git(tmp_path, "clone", "-q", "--bare", str(tmp_path / "source"), "bare.git")
    cases = (
        (DirectorySource(tmp_path / "nothing"), "is no directory"),
        (DirectorySource(tmp_path / "plain"), "is not a Git repository"),
        (DirectorySource(tmp_path / "empty"), "is an empty repository"),
        (DirectorySource(tmp_path / "source", "nowhere"), "has no branch, tag or commit 'nowhere'"),
        (DirectorySource(tmp_path / "source", "--upload-pack=touch x"), "begins with `-`"),
        (DirectorySource(tmp_path / "source", "main", working_tree=True), "cannot both be built"),
        (DirectorySource(tmp_path / "bare.git", working_tree=True), "has no working tree"),
    )
    for source, message in cases:
        with pytest.raises(UsageError, match=message) as caught:
            async with LocalRepositories(lab.runtime).open(source):
                pass
        assert caught.value.resolution
    assert not list(lab.runtime.iterdir())


@pytest.mark.parametrize("limit", [3])
async def test_a_configuration_file_that_is_a_link_or_too_large(
    lab: Bench, tmp_path: Path, limit: int
) -> None:
    source = tmp_path / "source"
    make_repository(source, {"large": "12345\n", "directory/x": ""})
    (source / "sealock.yml").symlink_to("/etc/passwd")
    commit(source, {})
    async with LocalRepositories(lab.runtime).open(DirectorySource(source)) as found:
        for name, message in (
            ("sealock.yml", "symbolic link"),
            ("large", "too large"),
            ("directory", "is no file"),
        ):
            with pytest.raises(UsageError, match=message):
                await found.read_file(name, limit)
        assert await found.read_file("missing", limit) is None
