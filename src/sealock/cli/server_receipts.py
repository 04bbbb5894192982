"""Receipts of a server's builds, fetched to be checked here.

They are checked with the key the server had when one signed in, so that a server which was taken over later
cannot sign with a key of its own without being noticed.
"""

from __future__ import annotations

from pathlib import Path

from sealock.cli.api import Api, asked
from sealock.cli.attempts import had
from sealock.cli.build_names import find_build
from sealock.cli.local_receipts import read_receipt_file
from sealock.cli.sign_ins import SignIn
from sealock.core.errors import UsageError


class ServerReceipts:
    """`places.ReceiptPlace`."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in

    def receipt(self, named: str, attempt: int | None) -> bytes:
        """That of an attempt at a build, by default of the latest that has one."""

        async def ask(api: Api) -> bytes:
            found = await find_build(api, named)
            query = {"attempt": had(found, attempt)}
            return await api.fetch("builds", found["id"], "receipt", query=query)

        if Path(named).suffix and Path(named).is_file():
            raise UsageError(
                f"{named} is a file, and you are signed in to {self._sign_in.url}",
                resolution="With --local it is read; without, name a build.",
            )
        return asked(self._sign_in, ask)

    def key(self, given: Path | None) -> bytes | None:
        """The one that was given, else the server's, as it was at the sign-in."""
        if given is not None:
            return read_receipt_file(given)
        if not self._sign_in.receipt_key:
            raise UsageError(
                "The server told no key for its receipts when you signed in",
                resolution="Give it with --key FILE, or sign in again.",
            )
        return self._sign_in.receipt_key.encode()
