"""What a command is handed: ports, made by `sealock.wiring` when first asked for.

Commands take it as click's context object, so none of them knows an adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sealock.builds.run import Runner
from sealock.core.backup import Backups
from sealock.core.image import Images
from sealock.core.keeper import KeeperControl, KeeperProcess
from sealock.core.keyring import Keyring
from sealock.core.keys import Sealer, SecretSealer
from sealock.core.log import BuildLogs
from sealock.core.machine import Reaper
from sealock.core.plan import PlanReader
from sealock.core.project import Projects
from sealock.core.receipt import Verifier
from sealock.core.release import Exposures
from sealock.core.sealed import KeyDestroyer, SealedPlace, SealedValues
from sealock.core.server import Server
from sealock.core.source import GitAddress
from sealock.core.worker_process import WorkerOptions, WorkerProcess


@dataclass(frozen=True)
class SettingRow:
    """A setting as text. source: `default`, the name of a variable, or the settings file."""

    name: str
    value: str
    source: str


class Tools(Protocol):
    """Every port a command may ask for. Asking may raise: a missing program, an unreadable file."""

    def settings(self) -> list[SettingRow]: ...

    def plan_reader(self) -> PlanReader:
        """What makes a plan of a sealock.yml, as builds do."""
        ...

    def images(self) -> Images: ...

    def default_image(self) -> str:
        """What builds that name no image run in."""
        ...

    def server(self) -> Server:
        """The website with its door for workers."""
        ...

    def keeper_is_here(self) -> bool:
        """Whether the keeper runs on this host."""
        ...

    def worker_directory(self) -> Path:
        """Where this host's worker keeps what it is known by."""
        ...

    async def admit_local_worker(self) -> bool:
        """Have the keeper know this host's worker, if we may; whether it does. KeeperAway."""
        ...

    def projects(self) -> Projects: ...

    def sealer(self) -> Sealer: ...

    def key_destroyer(self) -> KeyDestroyer: ...

    def keyring(self) -> Keyring: ...

    def sealed_places(self) -> Sequence[SealedPlace]:
        """Everywhere sealed values lie."""
        ...

    def sealed_values(self) -> SealedValues:
        """The secrets of projects, sealed."""
        ...

    def secret_sealer(self) -> SecretSealer:
        """What takes secrets, and cannot give them back."""
        ...

    def logs(self) -> AbstractAsyncContextManager[BuildLogs]:
        """The sealed logs of builds, with a keeper to open them."""
        ...

    def git_address(self, url: str) -> GitAddress:
        """What was typed as a repository's address, checked. UsageError says what is wrong with it."""
        ...

    def host_keys(self, host: str, port: int, given: tuple[str, ...]) -> tuple[str, ...]:
        """The keys to pin for a Git server, as `algorithm base64` lines: the given ones, checked, or
        those this installation knows. UsageError for a line that is not a host key of that server, and
        where none is given and none known."""
        ...

    def reaper(self) -> Reaper: ...

    def runner(self) -> AbstractAsyncContextManager[Runner]: ...

    def backups(self) -> Backups:
        """What backs this installation up."""
        ...

    def receipts_directory(self) -> Path: ...

    def verifier(self) -> Verifier: ...

    def installation_public_key(self) -> bytes: ...

    def keeper(self) -> KeeperProcess:
        """The keeper itself, to be run."""
        ...

    def keeper_control(self) -> KeeperControl:
        """The keeper that runs for this installation."""
        ...

    def keeper_introduction(self, name: str) -> str:
        """What a keeper on another host must know of this one to let it in under that name, as JSON for its
        `authorities.json`. UsageError for a name or a certificate that cannot be used."""
        ...

    def exposures(self) -> Exposures: ...

    def worker(self, options: WorkerOptions) -> WorkerProcess:
        """A worker of a website, to be run here. UsageError for options that cannot be."""
        ...
