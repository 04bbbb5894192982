"""Makes the back end that is configured, and those that are being left. Only their libraries are imported."""

from __future__ import annotations

from sealock.core.errors import UsageError
from sealock.keeper.backends.options import BackendOptions
from sealock.keeper.backends.port import Backend, Backends


def choose(options: BackendOptions) -> Backends:
    """The back ends of an installation. UsageError for one that lacks a setting."""
    leaving = []
    if options.before is not None and options.before != options.name:
        leaving.append(_make(options.before, options))
    if options.kms_before is not None:
        leaving.append(_kms_before(options))
    return Backends(_make(options.name, options), *leaving)


def _make(name: str, options: BackendOptions) -> Backend:
    makers = {"file": _file, "passphrase": _passphrase, "vault": _vault, "kms": _kms}
    return makers[name](options)


def _file(options: BackendOptions) -> Backend:
    from sealock.keeper.backends.file import FileBackend

    return FileBackend(options.file)


def _passphrase(options: BackendOptions) -> Backend:
    from sealock.keeper.backends.passphrase import PassphraseBackend

    return PassphraseBackend(options.passphrase_file, options.ask)


def _vault(options: BackendOptions) -> Backend:
    from sealock.keeper.backends.vault import VaultBackend

    if options.vault is None:
        raise UsageError(
            "the back end vault is not configured",
            resolution="Set vault_address and vault_token_file, or another key_backend.",
        )
    return VaultBackend(options.vault)


def _kms(options: BackendOptions) -> Backend:
    from sealock.keeper.backends.kms import KmsBackend

    if options.kms is None:
        raise UsageError(
            "the back end kms is not configured",
            resolution="Set kms_key to the ARN of a key of AWS KMS, or another key_backend.",
        )
    return KmsBackend(options.kms)


def _kms_before(options: BackendOptions) -> Backend:
    from sealock.keeper.backends.kms import KmsBackend

    assert options.kms_before is not None
    return KmsBackend(options.kms_before)
