"""What Vault's refusals mean, and to whom: none of them holds a token, a plaintext or a request's body.

Vault answers 403 for a token that is wrong, expired or not allowed, and does not say which; 503 when it is
sealed; 404 for a key or mount that is not there; 400 for a ciphertext it will not decrypt.
"""

from __future__ import annotations

import json

from sealock.core.errors import PermanentError, SealockError, TemporaryError
from sealock.core.sealed import DoesNotOpen

TOO_OLD = "disallowed by policy"
NO_KEY = "encryption key not found"
NOT_READY = {
    429: "it is a standby that does not serve requests",
    472: "it is a disaster recovery secondary",
    473: "it is a performance standby",
    503: "it is sealed, or being started",
}


def refusal(status: int, content: bytes, path: str) -> SealockError:
    """What to raise for an answer that is not 200 or 204. path: what was asked, without a body."""
    told = _told(content)
    if status == 400 and path.startswith("decrypt/"):
        return _not_decrypted(told)
    if status == 403:
        return PermanentError(
            "Vault refused the token",
            details=f"It is expired, revoked, or not allowed to use {path}.",
            resolution="Renew it, or give its policy what docs/keys.md lists.",
        )
    if status == 404 or NO_KEY in told:
        return PermanentError(
            "Vault does not have the key",
            details=f"There is nothing at {path}.",
            resolution="Enable the transit engine and make the key, or correct vault_mount and vault_key.",
        )
    if status in NOT_READY or status >= 500:
        return TemporaryError(
            f"Vault cannot answer now: {NOT_READY.get(status, 'it has a fault')}",
            details=f"status {status} {told}".rstrip(),
            resolution="Unseal it, or see to it that vault_address leads to the active server.",
        )
    return PermanentError(
        "Vault refused the request",
        details=f"status {status} for {path} {told}".rstrip(),
        resolution="Look at Vault's own log. A redirect means that vault_address is not the active server.",
    )


def unreachable(address: str, error: Exception) -> TemporaryError:
    """For a Vault that cannot be talked to, or is not who it should be."""
    return TemporaryError(
        f"Vault at {address} cannot be reached",
        details=f"{type(error).__name__}: {error}"[:500],
        resolution="Start it, correct vault_address, or name who signed its certificate in "
        "vault_ca_certificate.",
    )


def strange(why: str) -> PermanentError:
    """For an answer that is not Vault's."""
    return PermanentError(
        "what answers at vault_address does not speak as Vault does",
        details=why,
        resolution="Correct vault_address.",
    )


def _not_decrypted(told: str) -> SealockError:
    if TOO_OLD in told:
        return PermanentError(
            "Vault does not decrypt with that version of the key any more",
            details=told,
            resolution="Lower min_decryption_version of the key, if that version was not deleted.",
        )
    if NO_KEY in told:
        return PermanentError("Vault does not have the key", resolution="Restore it from Vault's backup.")
    return DoesNotOpen()


def _told(content: bytes) -> str:
    try:
        errors = json.loads(content).get("errors", [])
        text = "; ".join(str(error) for error in errors)[:300]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return ""
    return "".join(character for character in text if character.isprintable())
