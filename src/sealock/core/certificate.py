"""A certificate and its private key, as files a TLS library reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """Both have been checked by whoever hands this over (`access.certificates`).

    chain: PEM, the server's own certificate first. key: PEM, may be the same file.
    """

    chain: Path
    key: Path
