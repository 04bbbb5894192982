"""Where the code comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GitAddress:
    """A repository on a Git server reached over SSH. Already checked: see `providers.git.address`.

    host: lower-case DNS name, or an IP address without brackets. path: without a leading slash it is
    relative to what the server calls home, as in `git@host:path`.
    """

    user: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        """The shortest usual form; parsing it gives this address again."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port == 22 and not self.path.startswith("/"):
            return f"{self.user}@{host}:{self.path}"
        port = "" if self.port == 22 else f":{self.port}"
        path = self.path if self.path.startswith("/") else f"/~/{self.path}"
        return f"ssh://{self.user}@{host}{port}{path}"


@dataclass(frozen=True)
class GitOrigin:
    """A repository as it is known from any other: its address, and the keys its server proves itself by, as
    `algorithm base64` lines. What a project's secrets are set for, and what a worker states it fetches."""

    address: GitAddress
    host_keys: tuple[str, ...]

    def is_within(self, other: GitOrigin) -> bool:
        """Whether what is fetched from here can only be what is fetched from there: exactly the same user,
        host, port and path, and no server taken that is not taken there; without a key, any might be. Each
        address has one spelling once it is read (`providers.git.address`); what is spelled otherwise all the
        same, as with or without `.git`, may be another repository and is taken for one."""
        known = bool(self.host_keys) and set(self.host_keys) <= set(other.host_keys)
        return known and self.address == other.address


@dataclass(frozen=True)
class RemoteSource:
    """A ref of a remote repository. ref None: the server's default branch. branch: the one that the commit
    `ref` is said to be on: looked for there, where it matters."""

    address: GitAddress
    ref: str | None = None
    branch: str | None = None


@dataclass(frozen=True)
class DirectorySource:
    """A repository on this host. working_tree: what lies there now instead of the commit."""

    path: Path
    ref: str | None = None
    working_tree: bool = False


Source = RemoteSource | DirectorySource


@dataclass(frozen=True)
class Checkout:
    """What lies in the machine once the code is there. commit: 40 or 64 hexadecimal digits.

    directory: where in the guest. branch: that was asked for, or the server's default one if nothing was, or
    the one that the commit was said to be on, if it is; None if it is no branch or not known. origin: what it
    was fetched from, None if that is a repository of this host. Times, seconds since 1970, are None where no
    key was needed.
    """

    commit: str
    directory: str
    key_opened_at: float | None = None
    key_removed_at: float | None = None
    branch: str | None = None
    origin: GitOrigin | None = None
