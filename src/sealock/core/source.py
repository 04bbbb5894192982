"""Where the code comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GitAddress:
    """A repository on a Git server reached over SSH. Already checked: see `providers.git.address`."""

    user: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"ssh://{self.user}@{self.host}:{self.port}/{self.path.lstrip('/')}"


@dataclass(frozen=True)
class RemoteSource:
    """A ref of a remote repository. ref None: the server's default branch."""

    address: GitAddress
    ref: str | None = None


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

    directory: where in the guest. Times, seconds since 1970, are None where no key was needed.
    """

    commit: str
    directory: str
    key_opened_at: float | None = None
    key_removed_at: float | None = None
