"""Checkouts from a real OpenSSH server into a fake machine, with a real agent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealock.builds.commit_files import commit_files
from sealock.core.errors import PermanentError, TemporaryError, UsageError
from tests.support.checkout import Bench, bench, commit, git, make_repository

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


async def test_the_default_branch_lies_in_the_machine(lab: Bench, tmp_path: Path) -> None:
    wanted = make_repository(tmp_path / "source", {"sealock.yml": "tests: {}\n", "run": "#!/bin/sh\n"})
    lab.publish("sample.git", tmp_path / "source")
    before = time.time()
    async with lab.machine() as machine:
        done = await lab.fetch(machine, lab.project())
        assert done.commit == wanted
        assert (Path(done.directory) / "sealock.yml").read_text() == "tests: {}\n"
        async with commit_files(machine, done) as files:
            assert await files.read("sealock.yml", 100) == b"tests: {}\n"
            assert await files.read("missing", 100) is None
            with pytest.raises(UsageError, match="too large: 10 bytes, at most 9"):
                await files.read("sealock.yml", 9)
        assert not list(Path(done.directory).glob(".git/sealock-*"))
    assert done.branch == "main"
    assert done.key_opened_at is not None
    assert done.key_removed_at is not None
    assert before < done.key_opened_at < done.key_removed_at < time.time()


async def test_what_is_left_is_a_plain_clone(lab: Bench, tmp_path: Path) -> None:
    make_repository(tmp_path / "source")
    lab.publish("sample.git", tmp_path / "source")
    async with lab.machine() as machine:
        done = await lab.fetch(machine, lab.project(), "main")
        directory = Path(done.directory)
        assert git(directory, "status", "--porcelain", "--branch") == "## main"
        assert git(directory, "remote", "get-url", "origin") == str(lab.project().address)
        configuration = (directory / ".git/config").read_text()
        assert "hooksPath" not in configuration
        assert "sealock-git" not in configuration
        assert [each.suffix for each in directory.glob(".git/objects/*/*")].count(".pack") == 1
        assert not list(directory.glob(".git/objects/??/*"))
        assert not (Path(machine.home) / ".sealock").exists()
        assert list(Path(machine.home).iterdir()) == [directory]


async def test_a_tag_a_commit_and_a_depth(lab: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    first = make_repository(source)
    git(source, "tag", "-a", "v1", "-m", "one")
    for number in range(5):
        last = commit(source, {"file": f"{number}\n"})
    lab.publish("sample.git", source)
    for ref, wanted, depth, length, branch in (
        ("v1", first, 50, 1, None),
        (first, first, 1, 1, None),
        ("main", last, 2, 2, "main"),
        ("refs/heads/main", last, 0, 6, "main"),
    ):
        async with lab.machine() as machine:
            done = await lab.fetch(machine, lab.project(), ref, depth)
            assert (done.commit, done.branch) == (wanted, branch)
            assert git(Path(done.directory), "rev-list", "--count", "HEAD") == str(length)


async def test_an_id_that_only_leads_to_a_commit_is_not_built(lab: Bench, tmp_path: Path) -> None:
    """What is built, shown and signed has to be the id that was asked for."""
    source = tmp_path / "source"
    wanted = make_repository(source)
    git(source, "tag", "-a", "v1", "-m", "one")
    lab.publish("sample.git", source)
    async with lab.machine() as machine:
        with pytest.raises(UsageError, match="is no commit of") as refused:
            await lab.fetch(machine, lab.project(), git(source, "rev-parse", "v1"))
        assert wanted in str(refused.value.resolution)


async def test_a_server_whose_head_is_no_branch(lab: Bench, tmp_path: Path) -> None:
    wanted = make_repository(tmp_path / "source")
    lab.publish("sample.git", tmp_path / "source")
    (lab.server.directory / "sample.git" / "HEAD").write_text(f"{wanted}\n")
    async with lab.machine() as machine:
        done = await lab.fetch(machine, lab.project())
    assert (done.commit, done.branch) == (wanted, None)


async def test_a_server_that_hands_out_no_commits(lab: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    first = make_repository(source)
    commit(source, {"file": "second\n"})
    lab.publish("sample.git", source)
    # The old protocol knows of refs only.
    lab.let_in("unset GIT_PROTOCOL")
    async with lab.machine() as machine:
        assert (await lab.fetch(machine, lab.project(), first)).commit == first
    async with lab.machine() as machine:
        with pytest.raises(UsageError, match="no branch, tag or commit"):
            await lab.fetch(machine, lab.project(), "1" * 40)


async def test_a_repository_that_counts_by_sha256(lab: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    git(source, "init", "-q", "-b", "main", "--object-format=sha256")
    wanted = commit(source, {"file": "content\n"})
    lab.publish("sample.git", source)
    async with lab.machine() as machine:
        assert (await lab.fetch(machine, lab.project(), wanted)).commit == wanted
    async with lab.machine() as machine:
        with pytest.raises(UsageError, match="SHA-256"):
            await lab.fetch(machine, lab.project())


@pytest.mark.parametrize("ref", ["nowhere", "2" * 40])
async def test_an_unknown_ref(lab: Bench, tmp_path: Path, ref: str) -> None:
    make_repository(tmp_path / "source")
    lab.publish("sample.git", tmp_path / "source")
    async with lab.machine() as machine:
        with pytest.raises(UsageError, match=f"no branch, tag or commit '{ref}'"):
            await lab.fetch(machine, lab.project(), ref)


async def test_an_empty_repository(lab: Bench) -> None:
    git(lab.server.directory, "init", "-q", "--bare", "sample.git")
    async with lab.machine() as machine:
        with pytest.raises(UsageError, match="has no default branch"):
            await lab.fetch(machine, lab.project())


async def test_a_repository_that_is_not_there(lab: Bench) -> None:
    async with lab.machine() as machine:
        with pytest.raises(UsageError, match="was not found"):
            await lab.fetch(machine, lab.project("other.git"))


async def test_a_key_that_is_not_accepted_is_shown_with_where_to_install_it(lab: Bench) -> None:
    lab.server.revoke_all()
    async with lab.machine() as machine:
        with pytest.raises(UsageError) as caught:
            await lab.fetch(machine, lab.project())
    assert "sample" in caught.value.brief
    assert caught.value.details == lab.key.public
    assert "deploy key" in caught.value.resolution


async def test_a_server_that_is_down(lab: Bench) -> None:
    project = lab.project()
    lab.server.__exit__()
    async with lab.machine() as machine:
        with pytest.raises(TemporaryError, match="cannot be reached"):
            await lab.fetch(machine, project)


async def test_another_host_key_shows_both_fingerprints(lab: Bench) -> None:
    from sealock.providers.git.known_hosts import PUBLISHED

    other = PUBLISHED["github.com"][0]
    async with lab.machine() as machine:
        with pytest.raises(PermanentError) as caught:
            await lab.fetch(machine, lab.project(host_key=other))
    assert "expected ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" in caught.value.details
    assert "got SHA256:" in caught.value.details


async def test_another_kind_of_host_key(lab: Bench) -> None:
    from sealock.providers.git.known_hosts import PUBLISHED

    async with lab.machine() as machine:
        with pytest.raises(PermanentError) as caught:
            await lab.fetch(machine, lab.project(host_key=PUBLISHED["github.com"][1]))
    assert "got ssh-ed25519" in caught.value.details


async def test_submodules_of_the_same_host(lab: Bench, tmp_path: Path) -> None:
    inner, middle, outer = (tmp_path / name for name in ("inner", "middle", "outer"))
    make_repository(inner, {"deep": "inner\n"})
    make_repository(middle)
    git(middle, "submodule", "--quiet", "add", "--name", "in", str(inner), "lib/inner")
    git(middle, "config", "-f", ".gitmodules", "submodule.in.url", lab.server.address("inner.git"))
    commit(middle, {})
    make_repository(outer)
    git(outer, "submodule", "--quiet", "add", str(middle), "middle")
    git(outer, "config", "-f", ".gitmodules", "submodule.middle.url", "../middle.git")
    commit(outer, {})
    for name, source in (("inner.git", inner), ("middle.git", middle), ("sample.git", outer)):
        lab.publish(name, source)
    lab.let_in()
    async with lab.machine() as machine:
        done = await lab.fetch(machine, lab.project())
        directory = Path(done.directory)
        assert (directory / "middle/lib/inner/deep").read_text() == "inner\n"
        assert git(directory, "status", "--porcelain") == ""
        assert "-" not in git(directory, "submodule", "status", "--recursive")[0]
        assert git(directory / "middle", "remote", "get-url", "origin").endswith("/middle.git")
        async with lab.machine() as other:
            alone = await lab.fetch(other, lab.project(), submodules=False)
            assert not list((Path(alone.directory) / "middle").iterdir())


async def test_a_submodule_elsewhere_is_left_out_and_named(lab: Bench, tmp_path: Path) -> None:
    make_repository(tmp_path / "lib")
    make_repository(tmp_path / "outer")
    git(tmp_path / "outer", "submodule", "--quiet", "add", str(tmp_path / "lib"), "lib")
    git(tmp_path / "outer", "config", "-f", ".gitmodules", "submodule.lib.url", "https://example.com/lib.git")
    commit(tmp_path / "outer", {})
    lab.publish("sample.git", tmp_path / "outer")
    async with lab.machine() as machine:
        await lab.fetch(machine, lab.project())
    assert lab.notices == ["The submodule lib is left out: it is not fetched over SSH from 127.0.0.1."]
