"""The main job: a real package, out of a private Git server, through its own tests in a fresh machine.

Builds the image once, starts a Git server on loopback, fills it, makes a project with a key of its own,
installs the key's public half, runs the build, and shows and verifies the receipt. What it started and
made is gone afterwards, but for the image and the package's archive; it exits with the build's result.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from scripts.sample.git_server import HOST, GitServer
from scripts.sample.package import cache_directory, fetch, unpack
from sealock.core.errors import ExitCode, SealockError
from sealock.settings import load

SEALOCK = Path(sys.executable).with_name("sealock")
REPOSITORY = "sample.git"


class Sample:
    """One run, with everything of its own in `directory`, but for the images."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {
            **os.environ,
            "SEALOCK_DATA_DIR": str(directory / "data"),
            "SEALOCK_IMAGES_DIR": str(load()[0].images_dir),
            # The Git server is on this host, which no build may reach unless its operator says so.
            "SEALOCK_GIT_ALLOW": HOST,
        }

    def run(self) -> int:
        """All of it; returns the build's exit code, or 3 if its receipt cannot be verified."""
        self.image()
        with GitServer(self.directory / "git") as server:
            tell("Taking the source of a published package into a private repository")
            unpack(fetch(cache_directory()), self.directory / "tree")
            commit = server.publish(REPOSITORY, self.directory / "tree")
            url = server.address(REPOSITORY)
            print(f"{url} at {commit}", flush=True)
            self.project(server, url)
            tell("Building it in a fresh machine")
            result = self.sealock("run", url)
            return self.receipt() or result

    def image(self) -> None:
        """Build the image unless this very one is there: about two minutes, once."""
        if self.sealock("image", "show", "python", quiet=True) != ExitCode.GREEN:
            tell("Building the image `python`, once")
        self.must("image", "build", "python")

    def project(self, server: GitServer, url: str) -> None:
        """Make the project, the server's host key pinned, and install its public key there."""
        tell("Adding the project; its SSH key is made and sealed now")
        self.must("project", "add", "sample", url, "--host-key", server.host_key)
        public_key = subprocess.run(
            [SEALOCK, "project", "key", "sample"],
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        server.authorize(public_key, REPOSITORY)

    def receipt(self) -> int:
        """Show and verify the receipt of the run; returns an exit code."""
        receipts = sorted((self.directory / "data/receipts").glob("*.intoto.jsonl"))
        if not receipts:
            return ExitCode.GREEN  # no machine has run, and the run has said why
        tell("What its receipt says, and whether it is true to its signature")
        shown = self.sealock("receipt", "show", str(receipts[-1]))
        return shown or self.sealock("receipt", "verify", str(receipts[-1]))

    def must(self, *arguments: str) -> None:
        """A command without which there is no point in going on."""
        code = self.sealock(*arguments)
        if code != ExitCode.GREEN:
            sys.exit(code)

    def sealock(self, *arguments: str, quiet: bool = False) -> int:
        """Run a command of Sealock to its end; Ctrl-C is for the command, which has cleaning up to do."""
        output = subprocess.DEVNULL if quiet else None
        with subprocess.Popen(
            [SEALOCK, *arguments], env=self.environment, stdout=output, stderr=output
        ) as process:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    continue
                except SystemExit:
                    process.terminate()
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
            return Sample(Path(directory)).run()
    except (RuntimeError, SealockError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return ExitCode.INFRASTRUCTURE


if __name__ == "__main__":
    sys.exit(main())
