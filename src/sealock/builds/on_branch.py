"""Whether a commit is on a branch, as the Git server itself has it.

Who schedules a build says which branch its commit is of. Many servers hand out, by its id, any commit of any
copy of a repository that somebody made there, a fork's among them. So a worker believes neither: it looks
whether the branch leads to the commit, while it can still reach the server and before any step has run, and
signs what it found. What is for protected branches is given by that.
"""

from __future__ import annotations

from sealock.builds.fetch_errors import Attempt
from sealock.builds.guest_git import FETCH_SECONDS, WANTED, GitFailed, GuestGit
from sealock.builds.submodules import why
from sealock.builds.upstream import OURS, Upstream


async def is_on_branch(git: GuestGit, upstream: Upstream, commit: str, branch: str) -> bool:
    """Whether the branch (checked), as it was fetched together with the commit, is at this commit or a later
    one. Where so little of the history was fetched that it does not show, as much more is as it takes."""
    tip = await git.fetched_branch(branch)
    if tip is None or tip == commit:
        return tip == commit
    return await _leads_to(git, tip, commit) or await _is_further_down(git, upstream, commit, branch)


async def _leads_to(git: GuestGit, tip: str, commit: str) -> bool:
    return (await git.run("merge-base", "--is-ancestor", commit, tip)).exit_code == 0


async def _is_further_down(git: GuestGit, upstream: Upstream, commit: str, branch: str) -> bool:
    """With the branch's commits since then in a repository apart, so that the build's own stays as shallow
    as it was asked for. What the server does not have so is not on the branch; TemporaryError or what else
    the connection failed with, if that is why."""
    since = (await git.must("show", "--no-patch", "--format=%ct", commit)).decode().strip()
    apart = GuestGit(git.machine, f"{git.machine.home}/{OURS}/branch.git")
    await apart.init(None, "sha256" if len(commit) == 64 else "sha1")
    async with upstream.route() as route:
        fixed = ["fetch", "--quiet", "--no-progress", "--no-tags", f"--shallow-since={since}"]
        refspec = f"+refs/heads/{branch}:{WANTED}"
        done = await apart.run(
            *(*fixed, "--end-of-options", route.url, refspec), env=route.env, timeout=FETCH_SECONDS
        )
    if done.exit_code and upstream.trouble() is not None:
        raise why(GitFailed(""), Attempt(upstream.what, branch, upstream.project), upstream)
    return done.exit_code == 0 and await _leads_to(apart, WANTED, commit)
