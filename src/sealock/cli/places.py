"""Where logs, secrets and receipts are: on a server, once one is signed in to it, or among this host's own.

    `sealock login` was done ──▶ the server's, by its API       (server_logs, server_secrets, server_receipts)
    it was not, or --local   ──▶ this host's, of `sealock run`  (local_logs, local_secrets, local_receipts)

This is the only place that decides. The commands know one protocol each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import click

from sealock.cli.sign_ins import SignIns
from sealock.cli.tools import Tools
from sealock.core.scope import Scope
from sealock.core.sealed import Kind
from sealock.core.secret import Secret

F = TypeVar("F", bound=Callable[..., object])

LOCAL: Callable[[F], F] = click.option(
    "--local", is_flag=True, help="This host's own, of `sealock run`, though signed in to a server."
)


class LogPlace(Protocol):
    """The logs of builds. build: as it was typed."""

    def show(self, build: str, *, attempt: int | None, as_json: bool, follow: bool, failed: bool) -> None:
        """Print one. attempt: None for the latest. follow: go on as it grows. failed: only the lines around
        what failed."""
        ...

    def remove(self, build: str, attempt: int | None) -> None:
        """Remove one for good, and say so."""
        ...


class SecretPlace(Protocol):
    """The secrets of projects. project: as it was typed. Each method says what it did or found."""

    def keep(self, project: str, kind: Kind, name: str, scope: Scope, value: Callable[[], Secret]) -> None:
        """Keep a new version. value: asked once it is known that there is such a project."""
        ...

    def tell(self, project: str, name: str | None, *, as_json: bool) -> None:
        """List those in use, or every version of the one of that name."""
        ...

    def remove(self, project: str, name: str, version: int | None, *, ask: bool) -> None:
        """Destroy every version, or that one."""
        ...

    def exposures(self, build: str, *, attempt: int | None, as_json: bool) -> None:
        """List what a build was given. attempt: in this one alone; None for all."""
        ...


class ReceiptPlace(Protocol):
    """The receipts of builds."""

    def receipt(self, named: str, attempt: int | None) -> bytes:
        """The one that was named: by a file here, by a build there. attempt: None for the latest that has
        one."""
        ...

    def key(self, given: Path | None) -> bytes | None:
        """The public key to check it with, PEM; None for this installation's."""
        ...


@dataclass(frozen=True)
class Places:
    """All of one side."""

    logs: LogPlace
    secrets: SecretPlace
    receipts: ReceiptPlace


def places(tools: Tools, *, local: bool) -> Places:
    """Those that a command acts on. local: `--local` was given."""
    sign_in = None if local else SignIns().current()
    if sign_in is None:
        from sealock.cli.local_logs import LocalLogs  # noqa: PLC0415 - one side of the two is needed
        from sealock.cli.local_receipts import LocalReceipts  # noqa: PLC0415
        from sealock.cli.local_secrets import LocalSecrets  # noqa: PLC0415

        return Places(LocalLogs(tools), LocalSecrets(tools), LocalReceipts())
    from sealock.cli.server_logs import ServerLogs  # noqa: PLC0415 - an HTTP client is slow to import
    from sealock.cli.server_receipts import ServerReceipts  # noqa: PLC0415
    from sealock.cli.server_secrets import ServerSecrets  # noqa: PLC0415

    return Places(ServerLogs(sign_in), ServerSecrets(sign_in), ServerReceipts(sign_in))
