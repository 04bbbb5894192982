"""An installation's keys and sealed values in a directory, put together as the wiring does.

Run as a program (`python -m tests.support.keys DIRECTORY LEVEL`) it rotates, to be killed by a test.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from sealock.core.errors import SealockError
from sealock.core.keyring import Level, Progress, Rotated
from sealock.core.release import Fact
from sealock.core.sealed import Kind, Owner, SealedName
from sealock.core.secret import Secret
from sealock.keeper.asked import Ask
from sealock.keeper.asked_keyring import AskedKeyring
from sealock.keeper.asked_rotation import AskedRotation
from sealock.keeper.backends.file import FileBackend
from sealock.keeper.backends.port import Backend, Backends
from sealock.keeper.care import KeyCare
from sealock.keeper.client import accepted
from sealock.keeper.journal import Journal
from sealock.keeper.kek import FileKek
from sealock.keeper.key_messages import KeyRequest, cannot
from sealock.keeper.keyset_files import KeySetFiles
from sealock.keeper.keysets import KeySets
from sealock.keeper.protocol import Reply, Request, decode_reply, decode_request, encode_reply, encode_request
from sealock.keeper.sealing import seal
from sealock.store.projects import ProjectFiles
from sealock.store.sealed import SealedFiles

PARSER, PRINTER = Owner("team", "parser"), Owner("team", "printer")


class Installation:
    """Everything about keys that lies under `directory`."""

    def __init__(self, directory: Path, backend: Backend | None = None, *leaving: Backend) -> None:
        self.directory = directory
        self.backend = backend or FileBackend(directory / "keys" / "key-encryption-key")
        self.journal = Journal(directory / "keys" / "rotation.json")
        self.files = KeySetFiles(directory / "keys" / "sets")
        self.sets = KeySets(self.files, Backends(self.backend, *leaving), self.journal.generation)
        self.store = SealedFiles(directory / "sealed")
        self.projects = ProjectFiles(directory / "projects")
        self.facts: list[Fact] = []
        self.told: list[Progress] = []
        old = directory / "keys" / "key-encryption-key"
        self.care = KeyCare(self.sets, self.journal, lambda: FileKek(old))

    async def ask(self, request: Request) -> Reply:
        """What the keeper answers, with everything a message goes through but the connection."""
        asked = decode_request(encode_request(request))
        assert isinstance(asked, KeyRequest)
        reply: Reply
        try:
            reply = self.care.answer(asked, "tests", self.facts.extend)
        except SealockError as error:
            reply = cannot(error)
        return accepted(decode_reply(encode_reply(reply)))

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Ask]:
        yield self.ask

    @property
    def keyring(self) -> AskedKeyring:
        lock = self.directory / "rotation.lock"
        return AskedKeyring(self.asking, [self.projects, self.store], self.projects, lock)

    def rotate(self, level: Level) -> Rotated:
        """Rotate one level, or finish what was cut short."""
        rotation = AskedRotation(self.ask, [self.projects, self.store], self.projects)
        return asyncio.run(rotation.run(level, self.told.append))

    def put(self, owner: Owner, name: str, value: bytes, kind: Kind = Kind.VARIABLE) -> SealedName:
        """Seal a new version and keep it."""
        version = self.store.next_version(owner, kind, name)
        full = SealedName(owner.account, owner.project, kind, name, version)
        self.store.put(seal(full, Secret(value), self.sets.public_key(owner)))
        return full

    def get(self, name: SealedName) -> bytes:
        """The value of a version."""
        sealed = self.store.get(name.owner, name.kind, name.name, name.version)
        assert sealed is not None
        with self.sets.open(sealed) as value:
            return value.reveal()

    def everything(self) -> dict[SealedName, bytes]:
        """Every value there is, opened."""
        return {
            sealed.name: self.get(sealed.name)
            for owner in self.files.owners()
            for sealed in self.store.sealed_of(owner)
        }


def files(directory: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a directory, with what is in it."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()


if __name__ == "__main__":
    print("begun", flush=True)
    Installation(Path(sys.argv[1])).rotate("root" if sys.argv[2] == "root" else "sets")
