"""Leases, logs and everything else about secrets that a run is handed, without a keeper's process."""

from __future__ import annotations

import os
from pathlib import Path

from sealock.builds.request import SecretPorts
from sealock.core.log import LogReader, LogRemoval, LogWriter
from sealock.core.project import owner_of
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, Owner, PublicKey, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.keeper.keysets import KeySets
from sealock.livelog.files import LogFiles
from sealock.livelog.mask import StreamMasker
from sealock.store.sealed import SealedFiles
from tests.support.fake_leases import ANYWHERE, FakeLeases


class FakeBuildLogs:
    """Implements `core.log.BuildLogs` over real files. The keys are in memory; in `values` are notes that
    there are such keys."""

    def __init__(self, directory: Path, values: SealedFiles) -> None:
        self.files = LogFiles(directory)
        self._values = values
        self._keys: dict[str, bytes] = {}

    async def begin(self, owner: Owner, build_id: str) -> LogWriter:
        self._keys[build_id] = os.urandom(32)
        name = SealedName(owner.account, owner.project, Kind.LOG_KEY, build_id, 1)
        self._values.put(Sealed(name, 1, "none", b"", 0.0))
        return self.files.create(build_id, Secret(self._keys[build_id]))

    async def read(self, owner: Owner, build_id: str) -> LogReader:
        return self.files.open(build_id, Secret(self._keys[build_id]))

    def remove(self, owner: Owner | None, build_id: str, by: str) -> None:
        self._keys.pop(build_id, None)
        if owner is not None and (sealed := self._values.get(owner, Kind.LOG_KEY, build_id)) is not None:
            self._values.destroy(sealed.name)
        self.files.remove(build_id, by)

    def removal(self, build_id: str) -> LogRemoval | None:
        return self.files.removal(build_id)


class OwnKeys:
    """A keeper as `SealedBuildLogs` asks it, over key sets at hand (`keeper.log_keys.Keys`). opened: the
    values of all keys so far."""

    def __init__(self, sets: KeySets) -> None:
        self._sets = sets
        self.opened: list[bytes] = []

    async def public_key(self, owner: Owner) -> PublicKey:
        return self._sets.public_key(owner)

    async def open_for_owner(self, sealed: Sealed) -> Secret:
        value = self._sets.open(sealed)
        self.opened.append(value.reveal())
        return value


class Vault:
    """The secrets of one project, with the ports a run needs."""

    def __init__(self, root: Path) -> None:
        self.leases = FakeLeases()
        self.values = SealedFiles(root / "sealed")
        self.logs = FakeBuildLogs(root / "logs", self.values)

    def put(
        self,
        project_id: str,
        name: str,
        value: bytes,
        kind: Kind = Kind.VARIABLE,
        scope: Scope = ANYWHERE,
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
