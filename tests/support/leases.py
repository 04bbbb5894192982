"""Leases, logs and everything else about secrets that a run is handed, without a keeper's process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sealock.builds.request import SecretPorts
from sealock.core.lease import HeldLease, Refused, Terms
from sealock.core.log import LogReader, LogWriter
from sealock.core.project import owner_of
from sealock.core.sealed import Kind, Owner, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.livelog.files import LogFiles
from sealock.livelog.mask import StreamMasker
from sealock.store.sealed import SealedFiles


@dataclass
class FakeLeases:
    """Implements `core.lease.Leases`: opens `values`, to what the terms name. issued: all terms so far."""

    values: dict[SealedName, bytes] = field(default_factory=dict)
    issued: list[Terms] = field(default_factory=list)
    opened: list[tuple[SealedName, str]] = field(default_factory=list)
    given: list[Secret] = field(default_factory=list)

    @asynccontextmanager
    async def lease(self, terms: Terms) -> AsyncIterator[HeldLease]:
        self.issued.append(terms)
        yield _Held(self, terms)


class _Held:
    expires_at = 0.0

    def __init__(self, leases: FakeLeases, terms: Terms) -> None:
        self._leases, self._terms = leases, terms

    async def open(self, sealed: Sealed, *, step: str = "") -> Secret:
        return (await self.open_all([sealed], step=step))[0]

    async def open_all(self, sealed: Sequence[Sealed], *, step: str = "") -> list[Secret]:
        named = {each.name: each.secrets for each in self._terms.steps}
        allowed = named.get(step, ()) if step else (self._terms.ssh_key,)
        if any(each.name not in allowed or each.name not in self._leases.values for each in sealed):
            raise Refused("0" * 16)
        self._leases.opened += [(each.name, step) for each in sealed]
        self._leases.given += [Secret(self._leases.values[each.name]) for each in sealed]
        return self._leases.given[-len(sealed) :]


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

    def put(self, project_id: str, name: str, value: bytes, kind: Kind = Kind.VARIABLE) -> SealedName:
        owner = owner_of(project_id)
        version = self.values.next_version(owner, kind, name)
        full = SealedName(owner.account, owner.project, kind, name, version)
        self.values.put(Sealed(full, 1, "none", b"", 0.0))
        self.leases.values[full] = value
        return full

    def ports(self) -> SecretPorts:
        return SecretPorts(
            self.leases, self.values, lambda _private, _public: True, StreamMasker, self.logs, ("main",)
        )
