"""Hostile repositories and servers, against a checkout that goes the whole way but for the machine."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.sample.git_server import GitServer
from sealock.builds.checkout import checkout
from sealock.builds.commit_files import commit_files
from sealock.core.errors import PermanentError, SealockError, UsageError
from sealock.core.machine import Connect
from sealock.core.source import DirectorySource, GitAddress, RemoteSource
from sealock.providers.git.address import parse
from sealock.providers.git.dial import GitDialer
from tests.support.checkout import Bench, bench, git, make_repository

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def raw_commit(directory: Path, entries: list[tuple[str, str, str]]) -> str:
    """A commit of exactly these (mode, path, content or object), however hostile."""
    git(directory, "read-tree", "--empty")
    for mode, path, text in entries:
        name = text if mode == "160000" else git(directory, "hash-object", "-w", "--stdin", stdin=text)
        git(directory, "update-index", "--add", "--cacheinfo", f"{mode},{name},{path}")
    tree = git(directory, "write-tree")
    made = git(directory, "commit-tree", tree, "-m", "hostile")
    git(directory, "update-ref", "refs/heads/main", made)
    return made


def gitmodules(name: str, path: str, url: str) -> str:
    return f'[submodule "{name}"]\n\tpath = "{path}"\n\turl = "{url}"\n'


@pytest.mark.parametrize(
    "text",
    [
        gitmodules("x", "x", "-u./payload"),
        gitmodules("x", "x", "ssh://-oProxyCommand=touch owned/x"),
        gitmodules("x", "x", "ext::sh -c 'touch owned'"),
        gitmodules("x", "x", "file:///etc"),
        gitmodules("../../../hooks", "x", "../x.git"),
        gitmodules("x", "../x", "../x.git"),
        gitmodules("x", ".git/hooks", "../x.git"),
        gitmodules("x", "x", "../../../../../x"),
        gitmodules("x", "x", "../x.git%0aevil"),
        gitmodules("a", "x", "../x.git") + gitmodules("a/modules", "y", "../x.git"),
        gitmodules("a", "x", "../x.git") + gitmodules("a", "y", "../x.git"),
        '[submodule "x"\n',
        gitmodules("x", "x", "../x.git") + "#" * 300_000,
    ],
)
async def test_a_hostile_gitmodules_stops_the_build(lab: Bench, tmp_path: Path, text: str) -> None:
    source = tmp_path / "source"
    link = make_repository(source)
    raw_commit(
        source,
        [
            ("100644", ".gitmodules", text),
            ("160000", "x", link),
            ("100755", "payload", "#!/bin/sh\ntouch owned\n"),
        ],
    )
    lab.publish("sample.git", source)
    async with lab.machine() as machine:
        with pytest.raises(UsageError, match=r"is refused|cannot be read|too large") as caught:
            await lab.fetch(machine, lab.project())
        assert caught.value.resolution
        assert not list(Path(machine.home).rglob("owned"))
        # Nothing of the tree was written.
        assert [each.name for each in (Path(machine.home) / "project").iterdir()] == [".git"]


async def test_too_many_submodules(lab: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealock.builds.submodules.MOST", 2)
    source = tmp_path / "source"
    link = make_repository(source)
    text = "".join(gitmodules(f"m{n}", f"m{n}", "./") for n in range(3))
    entries = [("100644", ".gitmodules", text), *(("160000", f"m{n}", link) for n in range(3))]
    raw_commit(source, entries)
    lab.publish("sample.git", source)
    async with lab.machine() as machine:
        with pytest.raises(UsageError, match="more than 2 submodules"):
            await lab.fetch(machine, lab.project(), depth=1)


async def test_a_submodule_on_another_server_never_sees_the_key(lab: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    link = make_repository(source)
    with GitServer(tmp_path / "other") as other:
        other.authorize(lab.key.public, "sample.git")
        before = other.log.count("Connection from")
        url = other.address("sample.git")
        raw_commit(source, [("100644", ".gitmodules", gitmodules("x", "x", url)), ("160000", "x", link)])
        lab.publish("sample.git", source)
        async with lab.machine() as machine:
            done = await lab.fetch(machine, lab.project())
            assert not list((Path(done.directory) / "x").iterdir())
        assert other.log.count("Connection from") == before
    assert "left out" in lab.notices[0]


async def test_a_server_that_sends_the_connection_elsewhere(lab: Bench, tmp_path: Path) -> None:
    """Another server answers in the place of the right one, and would take the key."""
    make_repository(tmp_path / "source")
    with GitServer(tmp_path / "other") as other:
        other.publish("sample.git", tmp_path / "source")
        other.authorize(lab.key.public, "sample.git")
        elsewhere = GitDialer(["127.0.0.1"]).connector(parse(other.address("sample.git")))

        class Redirected:
            def connector(self, address: GitAddress) -> Connect:
                return elsewhere

        lab.dialer = Redirected()
        async with lab.machine() as machine:
            with pytest.raises(PermanentError, match="another host key"):
                await lab.fetch(machine, lab.project())
        assert "Accepted publickey" not in other.log


async def test_a_project_does_not_lend_its_key_to_another_repository(lab: Bench) -> None:
    source = RemoteSource(parse(lab.server.address("other.git")))
    async with lab.machine() as machine:
        with pytest.raises(UsageError, match="builds"):
            await checkout(
                machine,
                source,
                50,
                True,
                ports=lab.ports(),
                emit=lab.events.append,
                project=lab.project(),
                keys=lab.key,
            )
    assert lab.key.given == []


@pytest.mark.parametrize(
    "ref", ["--upload-pack=touch owned", "-x", "main:refs/heads/x", "main\nother", "+", "a..b", ""]
)
async def test_options_in_the_ref(lab: Bench, tmp_path: Path, ref: str) -> None:
    make_repository(tmp_path / "source")
    lab.publish("sample.git", tmp_path / "source")
    async with lab.machine() as machine:
        with pytest.raises(UsageError):
            await lab.fetch(machine, lab.project(), ref)
        assert not list(Path(machine.home).rglob("owned"))


async def test_a_branch_named_like_an_option_of_nothing(lab: Bench, tmp_path: Path) -> None:
    """Names that Git allows and a careless command would read as something else."""
    source = tmp_path / "source"
    wanted = make_repository(source)
    for name in ("tag", "+x", "@x", "HEAD.x", "x;touch$IFS-owned", "refs/heads/x", "FETCH_HEAD"):
        git(source, "update-ref", f"refs/heads/{name}", wanted)
    lab.publish("sample.git", source)
    for name in ("tag", "+x", "@x", "HEAD.x", "x;touch$IFS-owned", "refs/heads/refs/heads/x", "FETCH_HEAD"):
        async with lab.machine() as machine:
            assert (await lab.fetch(machine, lab.project(), name)).commit == wanted
            assert not list(Path(machine.home).rglob("-owned"))


async def test_no_hook_runs_and_no_link_leads_out(lab: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    make_repository(source)
    hook = "#!/bin/sh\ntouch $HOME/owned\n"
    raw_commit(
        source,
        [
            ("120000", "a", ".git"),
            ("100755", "hooks/post-checkout", hook),
            ("120000", "sealock.yml", "/etc/passwd"),
            ("100644", ".gitattributes", "* filter=evil\n"),
        ],
    )
    lab.publish("sample.git", source)
    async with lab.machine() as machine:
        done = await lab.fetch(machine, lab.project())
        assert not (Path(machine.home) / "owned").exists()
        assert not (Path(done.directory) / ".git/hooks/post-checkout").exists()
        with pytest.raises(UsageError, match="symbolic link"):
            async with commit_files(machine, done) as files:
                await files.read("sealock.yml", 1 << 20)


@pytest.mark.parametrize("path", [".git/hooks/post-checkout", ".GIT/config", "git~1/config", "a/../../x"])
async def test_a_tree_that_writes_into_the_repository_itself(lab: Bench, tmp_path: Path, path: str) -> None:
    source = tmp_path / "source"
    make_repository(source)
    blob = git(source, "hash-object", "-w", "--stdin", stdin="#!/bin/sh\ntouch $HOME/owned\n")
    name = blob
    for part in reversed(path.split("/")):
        kind = "100755 blob" if name == blob else "040000 tree"
        name = git(source, "mktree", "--missing", stdin=f"{kind} {name}\t{part}\n")
    made = git(source, "commit-tree", name, "-m", "hostile")
    git(source, "update-ref", "refs/heads/main", made)
    lab.publish("sample.git", source)
    async with lab.machine() as machine:
        with pytest.raises(SealockError):
            await lab.fetch(machine, lab.project())
        assert not (Path(machine.home) / "owned").exists()
        assert not (Path(machine.home) / "project/.git/hooks/post-checkout").exists()


async def test_the_working_tree_is_written_after_the_agent_has_ended(lab: Bench, tmp_path: Path) -> None:
    """What the guest sees when the first file of the tree appears: no socket, no port, no key."""
    make_repository(tmp_path / "source")
    lab.publish("sample.git", tmp_path / "source")
    seen: list[list[str]] = []
    watching = tmp_path / "git"
    async with lab.machine() as machine:
        run = machine.run
        # It stands where Git does, behind whatever is done first by the same command.
        watching.write_text(f'#!/bin/sh\nls -A {machine.home} >{tmp_path}/home\nexec git "$@"\n')
        watching.chmod(0o700)

        async def watched(argv: list[str], **rest: object) -> object:
            if "checkout" in argv:
                seen.append([each.name for each in lab.runtime.glob("agent-*")])
                argv = [str(watching) if each == "git" else each for each in argv]
            return await run(argv, **rest)  # type: ignore[arg-type]

        machine.run = watched  # type: ignore[method-assign, assignment]
        done = await lab.fetch(machine, lab.project())
    assert seen == [[]]
    assert (tmp_path / "home").read_text().split() == ["project"]
    assert done.key_removed_at is not None
    for given in lab.key.given:
        with pytest.raises(ValueError, match="forgotten"):
            given.reveal()


async def test_a_private_address_is_refused_with_its_reason(lab: Bench, tmp_path: Path) -> None:
    lab.dialer = GitDialer(())
    async with lab.machine() as machine:
        with pytest.raises(UsageError, match="may not connect") as caught:
            await lab.fetch(machine, lab.project())
    assert "loopback" in caught.value.details


async def test_a_server_that_says_nothing_and_a_build_that_is_cancelled_meanwhile(lab: Bench) -> None:
    """It takes the connection and keeps silent: once cancelled, no agent, no socket, no file is left."""
    reached = asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    async with silent:
        address = GitAddress("git", "127.0.0.1", silent.sockets[0].getsockname()[1], "/x")
        project = dataclasses.replace(lab.project(), address=address)
        async with lab.machine() as machine:
            fetching = asyncio.create_task(lab.fetch(machine, project))
            await asyncio.wait_for(reached.wait(), 20)
            assert list(lab.runtime.glob("agent-*"))
            fetching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await fetching
            assert not list(lab.runtime.glob("agent-*"))
            assert not (Path(machine.home) / ".sealock").exists()
    for given in lab.key.given:
        with pytest.raises(ValueError, match="forgotten"):
            given.reveal()


async def test_a_repository_of_this_host_runs_nothing_of_its_own(lab: Bench, tmp_path: Path) -> None:
    """Its configuration names programs wherever Git would run one."""
    source = tmp_path / "source"
    make_repository(source, {"file": "1\n", ".gitattributes": "* filter=evil diff=evil\n"})
    program = tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/owned\ncat\n")
    program.chmod(0o755)
    hooks = source / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in (
        "post-checkout",
        "post-index-change",
        "pre-commit",
        "reference-transaction",
        "fsmonitor-watchman",
    ):
        (hooks / name).write_text(program.read_text())
        (hooks / name).chmod(0o755)
    for name in (
        "core.fsmonitor",
        "core.sshCommand",
        "core.alternateRefsCommand",
        "uploadpack.packObjectsHook",
        "filter.evil.clean",
        "filter.evil.process",
        "diff.external",
        "core.pager",
        "core.editor",
        "gpg.program",
    ):
        git(source, "config", name, str(program))
    git(source, "config", "commit.gpgSign", "true")
    git(source, "config", "core.hooksPath", str(hooks))
    (source / "file").write_text("2\n")
    (tmp_path / "owned").unlink(missing_ok=True)
    for working_tree in (False, True):
        async with lab.machine() as machine:
            done = await lab.take(machine, DirectorySource(source, None, working_tree))
            assert (Path(done.directory) / "file").read_text() == ("2\n" if working_tree else "1\n")
    assert not (tmp_path / "owned").exists()


async def test_variables_of_the_callers_git_are_not_taken_over(
    lab: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = make_repository(tmp_path / "source")
    make_repository(tmp_path / "other", {"x": "x"})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", os.devnull)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    async with lab.machine() as machine:
        done = await lab.take(machine, DirectorySource(tmp_path / "source", None, True))
        assert done.commit == wanted
