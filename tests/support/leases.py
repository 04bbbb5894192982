"""Leases, logs and everything else about secrets that a run is handed, without a keeper's process."""

from __future__ import annotations

import os
from pathlib import Path

from sealock.builds.request import SecretPorts
from sealock.core.log import LogReader, LogWriter
from sealock.core.project import owner_of
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, Owner, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.livelog.files import LogFiles
from sealock.livelog.mask import StreamMasker
from sealock.store.sealed import SealedFiles
from tests.support.fake_leases import ANY_BRANCH, FakeLeases


class FakeBuildLogs:
    """Implements `core.log.BuildLogs` over real files, with keys in memory."""

    def __init__(self, directory: Path) -> None:
        self.files = LogFiles(directory)
        self._keys: dict[str, bytes] = {}

    async def begin(self, owner: Owner, build_id: str) -> LogWriter:
        self._keys[build_id] = os.urandom(32)
        return self.files.create(build_id, Secret(self._keys[build_id]))

    async def read(self, owner: Owner, build_id: str) -> LogReader:
        return self.files.open(build_id, Secret(self._keys[build_id]))


class Vault:
    """The secrets of one project, with the ports a run needs."""

    def __init__(self, root: Path) -> None:
        self.leases = FakeLeases()
        self.values = SealedFiles(root / "sealed")
        self.logs = FakeBuildLogs(root / "logs")

    def put(
        self,
        project_id: str,
        name: str,
        value: bytes,
        kind: Kind = Kind.VARIABLE,
        scope: Scope = ANY_BRANCH,
    ) -> SealedName:
        owner = owner_of(project_id)
        version = self.values.next_version(owner, kind, name)
        full = SealedName(owner.account, owner.project, kind, name, version)
        self.values.put(Sealed(full, 1, "none", b"", 0.0))
        self.leases.values[full] = value
        self.leases.scopes[full] = scope
        return full

    def ports(self) -> SecretPorts:
        return SecretPorts(
            self.leases, self.values, lambda _private, _public: True, StreamMasker, self.logs, ("main",)
        )
