"""Runs Git in the guest, where it has no configuration but what is said here and asks nobody anything.

Arguments are lists, and what came from a stranger stands behind `--end-of-options`. Hooks are off for
as long as we run Git, by options that are not written anywhere, so the build finds a plain repository.
Received objects are not put through fsck: projects with old, harmless defects in their history must
build too, and what is dangerous in them (names and paths of submodules) is checked by `gitmodules`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from sealock.core.errors import PermanentError, TemporaryError
from sealock.core.git_options import FETCH_OPTIONS
from sealock.core.machine import Completed, Machine, Process

FETCH_SECONDS = 1800.0
"""For the whole fetch of one repository, and for the key's life."""

WANTED = "refs/sealock/commit"
"""The ref that holds what was fetched."""

NO_SUCH_REF = "couldn't find remote ref"
"""What Git says of a ref that the server does not have."""

PACKETS = "sealock-packets"
"""The file in the repository that the trace of a fetch of HEAD goes to, until it was read."""

_HEAD = "([0-9a-f]{40,64}) HEAD symref-target:refs/heads/([A-Za-z0-9._/+-]{1,200})$"

_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "ssh",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
}
# What is copied with AVX is copied more slowly where AVX is emulated, and ssh copies a lot for its keys.
_EMULATED = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load"}
_OPTIONS = (
    *FETCH_OPTIONS,
    *("-c", "core.fsmonitor=false"),
    *("-c", "protocol.file.allow=never"),
    *("-c", "submodule.recurse=false"),
    *("-c", "init.defaultBranch=main"),
    *("-c", "advice.detachedHead=false"),
)


# Two commands in one, because to start one takes longer than most of them do. The text is constant; what it
# works on are arguments.
_THEN_COMMIT = """\
directory=$1 wanted=$2
shift 2
"$@" || exit
git --git-dir "$directory" rev-parse --quiet --verify "$wanted^{commit}" || :
"""
_AFTER_REMOVING = """\
rm -rf -- "$1" "$2" || exit
shift 2
exec "$@"
"""


@dataclass(frozen=True)
class Route:
    """How the guest's Git reaches one repository: what it is told as URL, and in its environment."""

    url: str
    env: Mapping[str, str] = field(default_factory=dict)


class GitFailed(Exception):
    """Git ended with something other than 0. said: its standard error."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class GuestGit:
    """Git in one machine, on the repository `git_dir`."""

    def __init__(self, machine: Machine, git_dir: str) -> None:
        self.machine = machine
        self.git_dir = git_dir
        emulated = machine.record.acceleration == "tcg"
        self._environment = {**_ENVIRONMENT, **(_EMULATED if emulated else {})}

    def inside(self, name: str) -> GuestGit:
        """The repository of its submodule of that (checked) name."""
        return GuestGit(self.machine, f"{self.git_dir}/modules/{name}")

    async def init(self, work_tree: str | None, object_format: str) -> None:
        """Make it, without templates. work_tree: None for a submodule, which Git gives one later."""
        options = ["init", "--quiet", "--template=", f"--object-format={object_format}"]
        if work_tree is not None:
            await self._must(*options, "--", work_tree)
            return
        await self._must(*options, "--bare", "--", self.git_dir)
        await self.must("config", "core.bare", "false")

    async def fetch(self, route: Route, want: str, depth: int, beside: str | None = None) -> str | None:
        """Fetch one checked ref or commit into `WANTED`, at most `depth` commits deep (0: all). The commit it
        leads to, None if it leads to none. beside: a (checked) branch that is fetched with it, if there is
        one of that name, for `fetched_branch`.

        A server that hands out no commit by its id is asked for all branches and tags instead.
        Raises GitFailed.
        """
        limit = [f"--depth={depth}"] if depth else []
        if want == "HEAD":
            route = replace(route, env={**route.env, "GIT_TRACE_PACKET": f"{self.git_dir}/{PACKETS}"})
        wanted = [f"+{want}:{WANTED}"]
        done = await self._fetch(route, [*wanted, *([f"refs/heads/{beside}"] if beside else [])], limit)
        if done.exit_code and beside and NO_SUCH_REF in _said(done):
            done = await self._fetch(route, wanted, limit)
        if done.exit_code and "unadvertised object" in _said(done):
            everything = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
            done = await self._fetch(route, everything, [])
            if done.exit_code == 0:
                done = await self._then_commit("update-ref", WANTED, want)
        if done.exit_code:
            raise GitFailed(_said(done))
        return done.stdout.decode().strip() or None

    async def _fetch(self, route: Route, refspecs: Sequence[str], options: Sequence[str]) -> Completed:
        fixed = ["fetch", "--quiet", "--no-progress", "--no-recurse-submodules", "--update-shallow"]
        return await self._then_commit(
            *(*fixed, *options, "--end-of-options", route.url, *refspecs), env=route.env
        )

    async def _then_commit(self, *arguments: str, env: Mapping[str, str] | None = None) -> Completed:
        """Run Git on this repository; if it succeeds, what it prints is the commit of `WANTED`, if any."""
        around = ("sh", "-c", _THEN_COMMIT, "sh", self.git_dir, WANTED)
        arguments = ("--git-dir", self.git_dir, *arguments)
        return await self._run(*arguments, env=env, timeout=FETCH_SECONDS, around=around)

    async def fetched_branch(self, branch: str) -> str | None:
        """The commit that this (checked) branch was at when it was fetched last; None if it was not."""
        noted = f"\tbranch '{branch}' of "
        path = f"{self.git_dir}/FETCH_HEAD"
        found = await self.machine.run(["grep", "-a", "-m1", "-F", "-e", noted, "--", path])
        return found.stdout.split(b"\t", 1)[0].decode() or None

    async def head_branch(self, commit: str) -> str | None:
        """The branch that the server's HEAD was when it was fetched as `commit`; None if that is not known.

        The server says so in passing, without being asked for it; Git keeps it to itself but for its trace.
        """
        path = f"{self.git_dir}/{PACKETS}"
        told = await self.machine.run(["grep", "-a", "-m1", "-E", _HEAD, "--", path])
        await self.machine.run(["rm", "-f", "--", path])
        found = re.search(_HEAD.encode(), told.stdout)
        return found[2].decode() if found and found[1].decode() == commit else None

    async def objects(self, *names: str) -> list[tuple[str, str, int] | None]:
        """Id, type and size of each object; None for what is not there."""
        lines = "".join(f"{name}\n" for name in names).encode()
        found = (await self.must("cat-file", "--batch-check", stdin=lines)).decode().splitlines()
        return [_object(line) for line in found]

    async def must(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """What Git prints. PermanentError if it fails."""
        return await self._must("--git-dir", self.git_dir, *arguments, stdin=stdin, env=env)

    async def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120.0
    ) -> Completed:
        """Run Git on this repository, whatever its exit code."""
        return await self._run("--git-dir", self.git_dir, *arguments, env=env, timeout=timeout)

    async def in_tree(self, work_tree: str, *arguments: str, removing: tuple[str, str] | None = None) -> None:
        """Run Git in a working tree. PermanentError if it fails. removing: two paths, first."""
        around = ("sh", "-c", _AFTER_REMOVING, "sh", *removing) if removing else ()
        await self._must(*arguments, cwd=work_tree, timeout=FETCH_SECONDS, around=around)

    def process(self, *arguments: str) -> AbstractAsyncContextManager[Process]:
        """Git on this repository, to talk to while it runs."""
        return self.machine.process(
            ["git", *_OPTIONS, "--git-dir", self.git_dir, *arguments], env=self._environment
        )

    async def _must(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float = 120.0,
        around: Sequence[str] = (),
    ) -> bytes:
        done = await self._run(*arguments, stdin=stdin, env=env, cwd=cwd, timeout=timeout, around=around)
        if done.exit_code:
            raise _cannot(_said(done))
        return done.stdout

    async def _run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float,
        around: Sequence[str] = (),
    ) -> Completed:
        """around: the command that runs Git's, which is its last arguments."""
        command = [*around, "git", *_OPTIONS, *arguments]
        try:
            return await self.machine.run(
                command, stdin=stdin, env={**self._environment, **(env or {})}, cwd=cwd, timeout=timeout
            )
        except TimeoutError as error:
            raise TemporaryError(
                f"Git took longer than {timeout:.0f} s in the machine",
                details=" ".join(arguments[:4]),
                resolution="Try again, or fetch less of the history: `depth` in sealock.yml.",
            ) from error


def _cannot(said: str) -> PermanentError:
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return PermanentError(
            "the machine's disk is too small for the repository",
            details=said,
            resolution="Ask for a larger one in sealock.yml, or fetch less of the history.",
        )
    return PermanentError("Git failed in the machine", details=said, resolution="Look at what Git says.")


def _said(done: Completed) -> str:
    return done.stderr.decode(errors="replace").strip()


def _object(line: str) -> tuple[str, str, int] | None:
    name, _, rest = line.partition(" ")
    kind, _, size = rest.partition(" ")
    return (name, kind, int(size)) if size.isdigit() else None
