"""The key-encryption key in AWS KMS.

The key never leaves KMS; each wrap and unwrap is a request that stands in CloudTrail. What a key is bound
to goes along as encryption context, which KMS checks and shows in the trail. What comes back must be from
the very key that is configured: a record that names another, even one of the same account, is refused.

Credentials are found the way AWS's own tools find them (instance role, environment, profile). They need
`kms:Encrypt`, `kms:Decrypt` and `kms:DescribeKey` on the key; to rotate, `kms:RotateKeyOnDemand` and
`kms:ListKeyRotations` as well.
"""

from __future__ import annotations

import hashlib
import importlib
from datetime import UTC, datetime, timedelta
from typing import Any

from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.sealed import DoesNotOpen
from sealock.core.secret import Secret
from sealock.keeper.backends.options import KmsOptions
from sealock.keeper.backends.port import LONGEST_WRAPPED, BackendStatus, Fails, Wrapped
from sealock.keeper.backends.proof import prove

DEADLINE = 10
"""Seconds for a connection, and for each answer; three tries."""

LATER = {
    "DependencyTimeoutException",
    "KMSInternalException",
    "KeyUnavailableException",
    "LimitExceededException",
    "RequestTimeout",
    "ServiceUnavailable",
    "ThrottlingException",
}
NOT_OURS = {"IncorrectKeyException", "InvalidCiphertextException"}


class KmsBackend:
    """A key of AWS KMS (`keeper.backends.port.Backend`)."""

    name = "kms"

    def __init__(self, options: KmsOptions) -> None:
        """UsageError if the key is not an ARN; PermanentError if boto3 is not installed. KMS is not asked
        yet."""
        self._key = options.key
        self._client = _connect(options)

    def current(self) -> str:
        """`kms:` and the key's ARN; the versions below it are KMS's own."""
        return f"kms:{self._key}"

    def holds(self, key: str) -> bool:
        """Whether it is this key."""
        return key == self.current()

    def wrap(self, value: Secret, associated: bytes) -> Wrapped:
        """Encrypt with the key."""
        answer = self._ask("encrypt", Plaintext=value.reveal(), EncryptionContext=_context(associated))
        if answer["KeyId"] != self._key or len(answer["CiphertextBlob"]) > LONGEST_WRAPPED:
            raise PermanentError("KMS encrypted with another key than it was told", details=answer["KeyId"])
        return Wrapped(self.current(), answer["CiphertextBlob"])

    def unwrap(self, wrapped: Wrapped, associated: bytes) -> Secret:
        """Decrypt with this key alone."""
        if wrapped.key != self.current():
            raise DoesNotOpen
        answer = self._ask("decrypt", CiphertextBlob=wrapped.data, EncryptionContext=_context(associated))
        if answer["KeyId"] != self._key:
            raise DoesNotOpen
        return Secret(answer["Plaintext"])

    def begin_rotation(self, before: str) -> str:
        """Have KMS make new key material, unless the latest is newer than a day: a key can be rotated this
        way a few times only, and a rotation that a crash cut short should not cost another."""
        if not self._rotated_today():
            self._ask("rotate_key_on_demand")
        return self.current()

    def end_rotation(self, keep: str) -> str:
        """Nothing: KMS keeps older material for as long as it keeps the key."""
        return (
            "KMS keeps the older material of this key. To have it destroyed, set kms_key to a new key and "
            "kms_key_before to this one, rotate, and schedule the deletion of this one in KMS."
        )

    def status(self) -> BackendStatus:
        """Whether KMS is there and the key does what we need."""
        works = prove(self)
        if not works:
            return BackendStatus(self.name, "", works)
        state = self._ask("describe_key")["KeyMetadata"]["KeyState"]
        if state != "Enabled":
            return BackendStatus(self.name, self.current(), Fails(f"the key is {state}", "Enable it in KMS."))
        return BackendStatus(self.name, self.current(), works)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _rotated_today(self) -> bool:
        found = self._ask("list_key_rotations").get("Rotations", [])
        since = datetime.now(UTC) - timedelta(days=1)
        return any(rotation["RotationDate"] > since for rotation in found)

    def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """One request. No error holds a plaintext: botocore's say the operation and the code."""
        exceptions = importlib.import_module("botocore.exceptions")
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(KeyId=self._key, **parameters)
        except exceptions.ClientError as error:
            raise _refusal(operation, error.response) from None
        except exceptions.BotoCoreError as error:
            raise _unreachable(error) from None
        return answer


def _connect(options: KmsOptions) -> Any:
    parts = options.key.split(":", 5)
    if len(parts) != 6 or parts[2] != "kms" or not parts[5].startswith("key/"):
        raise UsageError(
            f"{options.key[:200]!r} is not the ARN of a key of AWS KMS",
            details="It must look like arn:aws:kms:REGION:ACCOUNT:key/ID.",
            resolution="`aws kms describe-key` shows it. Correct the setting kms_key.",
        )
    try:
        boto3 = importlib.import_module("boto3")
        config = importlib.import_module("botocore.config")
    except ImportError as error:
        raise PermanentError(
            "boto3, which speaks to AWS KMS, is not installed", resolution='Install "sealock[aws]".'
        ) from error
    return boto3.client(
        "kms",
        region_name=parts[3],
        endpoint_url=options.endpoint,
        config=config.Config(
            connect_timeout=DEADLINE, read_timeout=DEADLINE, retries={"total_max_attempts": 3}
        ),
    )


def _context(associated: bytes) -> dict[str, str]:
    return {"sealock": "key set", "binding": hashlib.sha256(associated).hexdigest()}


def _refusal(operation: str, response: dict[str, Any]) -> SealockError:
    code = str(response.get("Error", {}).get("Code", ""))[:100]
    if code in NOT_OURS:
        return DoesNotOpen()
    if code in LATER or response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return TemporaryError("AWS KMS cannot answer now", details=f"{operation}: {code}")
    return PermanentError(
        "AWS KMS refused",
        details=f"{operation}: {code}",
        resolution="See to it that the key exists and is enabled, and that Sealock's credentials are valid "
        "and may use it: docs/keys.md lists what for.",
    )


def _unreachable(error: Exception) -> TemporaryError:
    return TemporaryError(
        "AWS KMS cannot be reached",
        details=f"{type(error).__name__}: {error}"[:500],
        resolution="Give this host a way to KMS and credentials for it.",
    )
