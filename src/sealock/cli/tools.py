"""What a command is handed: ports, made by `sealock.wiring` when first asked for.

Commands take it as click's context object, so none of them knows an adapter.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from sealock.builds.run import Runner
from sealock.core.image import Images
from sealock.core.keys import Sealer
from sealock.core.machine import Reaper
from sealock.core.project import Projects


class Tools(Protocol):
    """Every port a command may ask for. Asking may raise: a missing program, an unreadable file."""

    def images(self) -> Images: ...

    def projects(self) -> Projects: ...

    def sealer(self) -> Sealer: ...

    def reaper(self) -> Reaper: ...

    def runner(self) -> AbstractAsyncContextManager[Runner]: ...

    def receipts_directory(self) -> Path: ...

    def installation_public_key(self) -> bytes: ...
