"""A private Git server on loopback: OpenSSH's own sshd, key login only, each key for one repository.

The sample job fetches from it, and so do the tests. Everything it has lies in one directory that the
caller gives and removes; it listens on 127.0.0.1 at a free port and ends with its block.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

HOST = "127.0.0.1"
BRANCH = "main"
GIT_ENVIRONMENT = {
    # Nobody's own configuration, and the same commit for the same tree.
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Sample",
    "GIT_AUTHOR_EMAIL": "sample@example.com",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "Sample",
    "GIT_COMMITTER_EMAIL": "sample@example.com",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}
CONFIGURATION = """\
ListenAddress {host}:{port}
HostKey {directory}/host_key
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
AuthenticationMethods publickey
PermitRootLogin forced-commands-only
UsePAM {pam}
AllowUsers {user}
AcceptEnv GIT_PROTOCOL
DisableForwarding yes
PermitTTY no
# The directory is its owner's alone; sshd would object to the sticky bit further up.
StrictModes no
LogLevel VERBOSE
"""
# What a key may do, whatever it asked for: read the one repository it was installed for.
FORCED_COMMAND = """\
#!/bin/sh
case $SSH_ORIGINAL_COMMAND in
"git-upload-pack '/$1'" | "git-upload-pack '$1'") exec git-upload-pack {directory}/"$1" ;;
esac
echo "no such repository, or not for this key" >&2
exit 1
"""


def git(*arguments: str | Path) -> str:
    """Run git with a configuration that is nobody's own; returns what it printed, stripped."""
    result = subprocess.run(
        ["git", *arguments],
        env={**os.environ, **GIT_ENVIRONMENT},
        check=True,
        capture_output=True,
        text=True,
    )
    return result.stdout.strip()


class GitServer:
    """`with GitServer(directory) as server:` serves until the block is left.

    directory: empty or new, its owner's alone. port: where it listens. host_key: its public key as
    `ssh-ed25519 AAAA…`. user: who to log in as, the user who runs this.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.port = 0
        self.host_key = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> GitServer:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = self.directory / "host_key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
        self.host_key = key.with_suffix(".pub").read_text(encoding="ascii").strip()
        (self.directory / "authorized_keys").touch(mode=0o600)
        command = self.directory / "forced-command"
        command.write_text(FORCED_COMMAND.format(directory=shlex.quote(str(self.directory))))
        command.chmod(0o700)
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    @property
    def log(self) -> str:
        """What sshd has logged so far: connections, and each key that was taken or refused."""
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")

    def address(self, repository: str) -> str:
        """The URL to fetch `repository`, such as `sample.git`, from."""
        return f"ssh://{self.user}@{HOST}:{self.port}/{repository}"

    def publish(self, repository: str, tree: Path, message: str = "Import") -> str:
        """Commit what lies in `tree` to the branch `main` of `repository`; returns the commit."""
        bare = self.directory / repository
        if not bare.exists():
            git("init", "--quiet", "--bare", f"--initial-branch={BRANCH}", bare)
        at = ("--git-dir", bare, "--work-tree", tree)
        git(*at, "add", "--all", "--force")
        git(*at, "commit", "--quiet", "--allow-empty", "--message", message)
        return git("--git-dir", bare, "rev-parse", BRANCH)

    def push(self, repository: str, message: str) -> str:
        """Push a commit that changes nothing to `main`, as a developer does; returns what the server said."""
        clone = self.directory / f"{repository}.clone"
        if not clone.exists():
            git("clone", "--quiet", self.directory / repository, clone)
        git("-C", clone, "commit", "--quiet", "--allow-empty", "--message", message)
        pushed = subprocess.run(
            ["git", "-C", clone, "push", "--quiet", "origin", BRANCH],
            env={**os.environ, **GIT_ENVIRONMENT},
            check=True,
            stderr=subprocess.PIPE,
            text=True,
        )
        return pushed.stderr.strip()

    def install_hook(self, repository: str, script: str, authority: str) -> None:
        """Have pushes told by this script, which trusts the website by that certificate, PEM."""
        hooks = self.directory / repository / "hooks"
        hooks.mkdir(mode=0o700, exist_ok=True)
        (hooks / "sealock-authority.pem").write_text(authority, encoding="ascii")
        hook = hooks / "post-receive"
        hook.touch(mode=0o700)
        hook.write_text(script, encoding="ascii")

    def authorize(self, public_key: str, repository: str) -> None:
        """Let the key, one OpenSSH line, read `repository`."""
        command = f"{self.directory / 'forced-command'} {shlex.quote(repository)}"
        with (self.directory / "authorized_keys").open("a", encoding="ascii") as file:
            file.write(f'restrict,command="{command}" {public_key.strip()}\n')

    def revoke_all(self) -> None:
        """Let no key in any more."""
        (self.directory / "authorized_keys").write_text("")

    def _start(self) -> None:
        """Listen at a free port. Another process may take it between asking and binding: try again."""
        for _ in range(5):
            with socket.socket() as probe:
                probe.bind((HOST, 0))
                self.port = probe.getsockname()[1]
            self._spawn()
            if self._answers():
                return
            self.__exit__()
        raise RuntimeError(f"sshd did not come up:\n{self.log}")

    def _spawn(self) -> None:
        configuration = self.directory / "sshd_config"
        configuration.write_text(
            CONFIGURATION.format(
                host=HOST,
                port=self.port,
                directory=self.directory,
                user=self.user,
                pam="yes" if _password_is_locked(self.user) else "no",
            )
        )
        if os.geteuid() == 0:
            # sshd's own empty directory, on tmpfs; Debian makes it when the service starts.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_sshd(), "-D", "-e", "-f", configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _answers(self, patience: float = 20.0) -> bool:
        """Whether it sent its greeting within `patience` seconds."""
        end = time.monotonic() + patience
        while self._process is not None and self._process.poll() is None and time.monotonic() < end:
            try:
                with socket.create_connection((HOST, self.port), timeout=patience) as connection:
                    return connection.recv(4) == b"SSH-"
            except OSError:
                time.sleep(0.05)
        return False


def _sshd() -> str:
    """sshd wants to be called by its full path."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise RuntimeError("sshd is not installed: run scripts/setup")
    return found


def _password_is_locked(user: str) -> bool:
    """Without PAM sshd refuses accounts whose password is locked, as root's often is."""
    try:
        lines = Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(line.startswith(f"{user}:!") for line in lines)
