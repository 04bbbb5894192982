"""What a worker finds out for itself: what it has fetched, and whether a branch leads there."""

from __future__ import annotations

from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealock.builds.checkout import checkout
from sealock.core.errors import TemporaryError
from sealock.core.machine import Connect
from sealock.core.repository import GitDialer
from sealock.core.source import Checkout, GitAddress, RemoteSource
from sealock.providers.git.dial import GitDialer as Dialer
from tests.support.checkout import Bench, bench, commit, git, make_repository

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


class Source:
    """A repository with five commits on `main`, published."""

    def __init__(self, lab: Bench, root: Path) -> None:
        self.lab, self.place = lab, root / "source"
        self.commits = [make_repository(self.place)]
        self.commits += [commit(self.place, {"file": f"{number}\n"}) for number in range(4)]
        lab.publish("sample.git", self.place)
        self.server = lab.server.directory / "sample.git"

    def beside(self, ref: str) -> str:
        """A commit of somebody else's, under that ref of the server alone."""
        git(self.place, "checkout", "-q", "--detach", "main")
        made = commit(self.place, {"file": "theirs\n"})
        git(self.place, "push", "-q", str(self.server), f"{made}:{ref}")
        return made

    async def fetch(self, wanted: str, branch: str | None, depth: int = 50) -> Checkout:
        project = self.lab.project()
        async with self.lab.machine() as machine:
            done = await checkout(
                machine,
                RemoteSource(project.address, wanted, branch),
                depth,
                True,
                ports=self.lab.ports(),
                emit=self.lab.events.append,
                project=project,
                keys=self.lab.key,
            )
            assert done.commit == git(Path(done.directory), "rev-parse", "HEAD")
            assert git(Path(done.directory), "for-each-ref", "--format=%(refname)", "refs/heads") == ""
            assert [each.name for each in Path(machine.home).iterdir()] == ["project"]
            kept = git(Path(done.directory), "rev-list", "--count", "HEAD")
            assert int(kept) == min(depth or 99, int(git(self.place, "rev-list", "--count", wanted)))
        return done


@pytest.fixture
def source(lab: Bench, tmp_path: Path) -> Source:
    return Source(lab, tmp_path)


@pytest.mark.parametrize(("depth", "back"), [(50, 0), (50, 4), (1, 0), (1, 4), (2, 1), (0, 3)])
async def test_a_commit_on_a_branch_is_found_there(source: Source, depth: int, back: int) -> None:
    """However little of the history is fetched, and however far the branch has gone on."""
    done = await source.fetch(source.commits[-1 - back], "main", depth)
    assert done.branch == "main"
    assert done.origin == source.lab.project().origin


async def test_without_a_word_about_a_branch_none_is_looked_for(source: Source) -> None:
    assert (await source.fetch(source.commits[-1], None)).branch is None


@pytest.mark.parametrize(
    ("ref", "depth"),
    [("refs/heads/topic", 50), ("refs/pull/1/head", 1), ("refs/tags/main", 0), ("refs/heads/a/main", 1)],
)
async def test_a_commit_that_is_elsewhere_is_not_found_on_the_branch(
    source: Source, ref: str, depth: int
) -> None:
    git(source.server, "config", "uploadpack.allowAnySHA1InWant", "true")
    theirs = source.beside(ref)
    assert (await source.fetch(theirs, "main", depth)).branch is None


async def test_one_that_the_branch_was_taken_back_from(source: Source) -> None:
    git(source.server, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(source.server, "update-ref", "refs/heads/main", source.commits[1])
    assert (await source.fetch(source.commits[-1], "main")).branch is None


async def test_a_branch_that_is_not_there(source: Source) -> None:
    assert (await source.fetch(source.commits[-1], "gone")).branch is None


@pytest.mark.parametrize("by_id", [True, False])
async def test_what_git_takes_for_a_branch_that_is_not_there_is_none(source: Source, by_id: bool) -> None:
    """It looks for a name in many places, one after the other."""
    git(source.server, "config", "uploadpack.allowAnySHA1InWant", "true")
    theirs = source.beside("refs/tags/gone")
    for place in ["tags/refs/heads", "heads/refs/heads", "refs/heads", "remotes/refs/heads", "heads/heads"]:
        git(source.server, "update-ref", f"refs/{place}/gone", theirs)
    if not by_id:
        source.lab.let_in("export GIT_PROTOCOL=version=0")
        git(source.server, "config", "uploadpack.allowAnySHA1InWant", "false")
    for branch in ["gone", "tags/gone"]:
        assert (await source.fetch(theirs, branch, 0)).branch is None


async def test_a_server_that_hands_out_nothing_by_its_id(source: Source) -> None:
    """Everything is fetched then, and the branch with it."""
    (source.lab.server.directory / "none").touch()
    source.lab.let_in("export GIT_PROTOCOL=version=0")
    assert (await source.fetch(source.commits[2], "main", 0)).branch == "main"
    assert (await source.fetch(source.commits[2], "gone", 0)).branch is None


class OneConnection:
    """The way to the server, which breaks down after its first connection."""

    def __init__(self, dialer: GitDialer) -> None:
        self._dialer = dialer
        self._connections = 0

    def connector(self, address: GitAddress) -> Connect:
        connect = self._dialer.connector(address)

        async def once() -> tuple[StreamReader, StreamWriter]:
            self._connections += 1
            if self._connections > 1:
                raise OSError("the server is down")
            return await connect()

        return once


async def test_a_server_that_goes_away_meanwhile_is_not_one_without_the_commit(source: Source) -> None:
    """Else the build ended as one whose secrets it may not have, and nobody tried it again."""
    source.lab.dialer = OneConnection(source.lab.dialer)
    assert (await source.fetch(source.commits[-1], "main", 1)).branch == "main", (
        "one connection does for that"
    )
    source.lab.dialer = OneConnection(Dialer(["127.0.0.1"]))
    with pytest.raises(TemporaryError) as error:
        await source.fetch(source.commits[0], "main", 1)
    assert "the server is down" in error.value.details
