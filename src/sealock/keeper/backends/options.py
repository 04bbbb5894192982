"""Which back end, and what each needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sealock.core.secret import Secret


@dataclass(frozen=True)
class VaultOptions:
    """address: `https://host:port`. mount: where the engine is. key: its key's name. token_file: holds the
    token alone. ca_certificate: PEM of who signed Vault's certificate, if it is not publicly known.
    namespace: of Vault Enterprise or OpenBao, if any."""

    address: str
    key: str
    token_file: Path
    mount: str = "transit"
    ca_certificate: Path | None = None
    namespace: str | None = None


@dataclass(frozen=True)
class KmsOptions:
    """key: the ARN of a symmetric key; an alias could be turned to another key. endpoint: where KMS is, if
    not where the ARN's region says."""

    key: str
    endpoint: str | None = None


@dataclass(frozen=True)
class BackendOptions:
    """name: the back end in use. before: the one that is being left. file, passphrase_file: where their
    keys are kept. ask: gives the passphrase. vault, kms, kms_before: None where not configured."""

    name: str
    file: Path
    passphrase_file: Path
    ask: Callable[[], Secret]
    before: str | None = None
    vault: VaultOptions | None = None
    kms: KmsOptions | None = None
    kms_before: KmsOptions | None = None
