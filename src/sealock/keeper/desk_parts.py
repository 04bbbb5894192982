"""What a desk works with: ports and values, so that it decides and they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.release import Fact, Ledger
from sealock.core.sealed import PublicKeys, Unsealer
from sealock.keeper.authorities import Authorities
from sealock.keeper.epoch import Epoch
from sealock.keeper.key_messages import KeyReply, KeyRequest
from sealock.keeper.protocol import Done

Log = Callable[[str], None]
"""Takes one line. No value ever opened is in it."""


class Care(Protocol):
    """Does what operators ask about keys."""

    def answer(
        self, request: KeyRequest, by: str, write: Callable[[Sequence[Fact]], None]
    ) -> KeyReply | Done:
        """Do it. by: who asks. write: puts facts into the ledger; what it raises stops everything that would
        follow from them. A SealockError is told to who asked: no value is in it."""
        ...


@dataclass(frozen=True)
class DeskParts:
    """What a desk works with. achieved: how the process is shut
    in, and directory: where it keeps what is its own, for the status."""

    ledger: Ledger
    epoch: Epoch
    unsealer: Unsealer
    public_keys: PublicKeys
    care: Care
    key: Ed25519PrivateKey
    authorities: Authorities
    log: Log
    achieved: tuple[str, ...] = ()
    directory: str = ""
