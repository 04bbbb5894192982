"""The main job: the whole server, and a real package pushed to it, through its own tests in a fresh machine.

Builds the image once, starts a Git server on loopback and `sealock up`, sets the installation up, makes a
project with a key of its own and installs the key's public half and the hook at the Git server; then it
pushes, and watches what comes of it. What stays on screen is the address of the build's page. With ONCE=1 it
ends with that build's result; else the server stays up until Ctrl-C. What it started and made is gone
afterwards, but for the image and the package's archive.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from scripts.sample.git_server import HOST, GitServer
from scripts.sample.installation import Installation, sign_up
from scripts.sample.package import cache_directory, fetch, unpack
from sealock.core.errors import ExitCode, SealockError
from sealock.settings import load

REPOSITORY = "sample.git"
PUSHED = "Ask Sealock to build this"


class Sample:
    """One run, with everything of its own in `directory`, but for the images. once: end with the build."""

    def __init__(self, directory: Path, *, once: bool) -> None:
        self.directory = directory
        self.once = once
        self.installation = Installation(
            directory,
            {
                "SEALOCK_IMAGES_DIR": str(load()[0].images_dir),
                # The Git server is on this host, which no build may reach unless its operator says so.
                "SEALOCK_GIT_ALLOW": HOST,
            },
            any_port=once,
        )

    def run(self) -> int:
        """All of it; returns the build's exit code, or 3 if its receipt cannot be verified."""
        sealock = self.installation
        self.image()
        with ExitStack() as stack:
            git = stack.enter_context(GitServer(self.directory / "git"))
            tell("Taking the source of a published package into a private repository")
            tree = self.directory / "tree"
            unpack(fetch(cache_directory()), tree)
            git.publish(REPOSITORY, tree)
            tell("Starting the server: website, keeper and a worker")
            setup = stack.enter_context(sealock.up())
            person = sign_up(sealock, setup)
            tell("Adding the project; its SSH key is made and sealed now")
            self.project(git)
            tell("Pushing; the Git server's hook tells Sealock")
            print(git.push(REPOSITORY, PUSHED), flush=True)
            result = sealock.run("watch", "sample")
            result = self.receipt() or result
            if not self.once:
                self.show(person.email, person.password)
                self.stay()
            return result

    def image(self) -> None:
        """Build the image unless this very one is there: about two minutes, once."""
        if self.installation.run("image", "show", "python", quiet=True) != ExitCode.GREEN:
            tell("Building the image `python`, once")
        self.installation.must("image", "build", "python")

    def project(self, git: GitServer) -> None:
        """Make the project, the server's host key pinned; install its public key and its hook there."""
        made = self.installation.told(
            "projects", "add", "sample", git.address(REPOSITORY), "--host-key", git.host_key
        )
        git.authorize(str(made["public_key"]), REPOSITORY)
        hook = self.installation.told("projects", "hook", "sample")
        git.install_hook(REPOSITORY, str(hook["script"]), self.installation.authority())

    def receipt(self) -> int:
        """Verify the receipt of the build; returns an exit code."""
        tell("Whether its receipt is true to its signature, and to the promises")
        return self.installation.run("receipt", "verify", "sample")

    def show(self, email: str, password: str) -> None:
        """What to open, and how to get in."""
        build = self.installation.told("builds", "show", "sample")
        tell(f"{self.installation.origin}/builds/{build['id']}")
        print(f"Sign in as {email} with {password}; Ctrl-C stops the server and removes all of it.")

    def stay(self) -> None:
        """Until the server ends, or Ctrl-C; what follows that takes some seconds."""
        try:
            self.installation.wait()
        except KeyboardInterrupt:
            tell("Stopping the server and removing all of it")
            raise


def tell(what: str) -> None:
    """A line between the commands' own output."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}== {what}{plain}", flush=True)


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def main() -> int:
    """Run the sample in a directory that is gone afterwards."""
    signal.signal(signal.SIGTERM, _end)
    try:
        with tempfile.TemporaryDirectory(prefix="sealock-sample-") as directory:
            return Sample(Path(directory), once=bool(os.environ.get("ONCE"))).run()
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, SealockError, subprocess.CalledProcessError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return ExitCode.INFRASTRUCTURE


if __name__ == "__main__":
    sys.exit(main())
