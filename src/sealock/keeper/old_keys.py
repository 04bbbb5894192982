"""Opens project keys that were sealed before there were key sets, or says no.

What can be told from the outside anyway (another key-encryption key, an unknown algorithm) is named.
Everything the ciphers refuse has one message, whichever layer refused it, so an error tells somebody who
alters records nothing about how far they got.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealock.core import base64_text
from sealock.core.errors import PermanentError
from sealock.core.project import SealedKey
from sealock.core.secret import Secret
from sealock.keeper.halves import belongs_to
from sealock.keeper.kek import FileKek
from sealock.keeper.sealed import ALGORITHM, KEY_LENGTH, NONCE_LENGTH, TAG_LENGTH, WRAPPING, Binding

LONGEST_KEY = 4096
"""Bytes; an Ed25519 key as OpenSSH text is 387 long."""


class Keyed(Protocol):
    """What such a key is bound to: a project's id and name, and the public half it must belong to."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def public_key(self) -> str: ...


class OldKeyOpener:
    """Opens keys sealed under a key-encryption key itself."""

    def __init__(self, kek: FileKek) -> None:
        self._kek = kek

    def open_key(self, project: Keyed, sealed: SealedKey) -> Secret:
        """The private key as OpenSSH text. PermanentError if this is not exactly what was sealed for this
        project under this key-encryption key."""
        self._check_named(project, sealed)
        binding = Binding(project.id, project.name, sealed.version, sealed.kek_id, sealed.algorithm)
        try:
            private = self._unseal(sealed, binding)
        except (InvalidTag, ValueError) as error:
            raise _altered(project) from error
        if not belongs_to(private, project.public_key):
            private.forget()
            raise _altered(project)
        return private

    def _check_named(self, project: Keyed, sealed: SealedKey) -> None:
        if sealed.algorithm != ALGORITHM:
            raise PermanentError(
                f"the key of {project.name} is sealed in a way this version does not open",
                details=f"algorithm {sealed.algorithm!r}",
                resolution=_RESET.format(name=project.name),
            )
        if sealed.kek_id != self._kek.id:
            raise PermanentError(
                f"the key of {project.name} is sealed under another key-encryption key",
                details=f"sealed under {sealed.kek_id}; {self._kek.path} is {self._kek.id}",
                resolution=f"Restore that key-encryption key, or: {_RESET.format(name=project.name)}",
            )

    def _unseal(self, sealed: SealedKey, binding: Binding) -> Secret:
        wrapped = _decode(sealed.wrapped_key, KEY_LENGTH + TAG_LENGTH, KEY_LENGTH + TAG_LENGTH)
        wrapped_nonce = _decode(sealed.wrapped_key_nonce, NONCE_LENGTH, NONCE_LENGTH)
        ciphertext = _decode(sealed.ciphertext, TAG_LENGTH + 1, TAG_LENGTH + LONGEST_KEY)
        nonce = _decode(sealed.nonce, NONCE_LENGTH, NONCE_LENGTH)
        with self._kek.subkey(WRAPPING) as wrapping_key:
            data_key = _decrypt(wrapping_key, wrapped_nonce, wrapped, binding.for_data_key())
        with data_key:
            return _decrypt(data_key, nonce, ciphertext, binding.for_key())


_RESET = "make the project a new one with `sealock project reset-key {name}` and install its public half."


def _decrypt(key: Secret, nonce: bytes, ciphertext: bytes, bound_to: bytes) -> Secret:
    # Into a buffer of our own, which can be overwritten; `bytes` cannot.
    plain = bytearray(len(ciphertext) - TAG_LENGTH)
    AESGCM(key.reveal()).decrypt_into(nonce, ciphertext, bound_to, plain)
    secret = Secret(plain)
    plain[:] = bytes(len(plain))
    return secret


def _decode(text: str, shortest: int, longest: int) -> bytes:
    """Base64 of `shortest` to `longest` bytes. ValueError for anything else."""
    value = base64_text.decode(text)
    if not shortest <= len(value) <= longest:
        raise ValueError("not the Base64 of as many bytes as belong there")
    return value


def _altered(project: Keyed) -> PermanentError:
    return PermanentError(
        f"the sealed key of {project.name} does not open",
        details="The record was altered, or belongs to another project, name or version.",
        resolution=f"Restore the project's record, or: {_RESET.format(name=project.name)}",
    )
