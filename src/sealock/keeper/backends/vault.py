"""The key-encryption key in HashiCorp Vault or OpenBao: the transit engine, over HTTPS.

The key never leaves Vault; each wrap and unwrap is a request that stands in Vault's own audit log. What a
key is bound to is given as `associated_data`, and once more inside what is encrypted: a Vault too old to
know `associated_data` ignores it without a word.

The token is read from its file for each request, so that whatever renews it (Vault's agent, say) need not
tell us. It needs `update` on `encrypt/KEY`, `decrypt/KEY` and `read` on `keys/KEY`; to rotate, `update` on
`keys/KEY/rotate`, `keys/KEY/config` and `keys/KEY/trim` as well. Without `create`, no key is ever made by
a slip of the name.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import ssl
import time
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx2

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import read_secret_file
from sealock.core.sealed import DoesNotOpen
from sealock.core.secret import Secret
from sealock.keeper.backends.options import VaultOptions
from sealock.keeper.backends.port import LONGEST_WRAPPED, BackendStatus, Wrapped
from sealock.keeper.backends.proof import prove
from sealock.keeper.backends.vault_errors import refusal, strange, unreachable

CIPHERTEXT = re.compile(r"vault:v([1-9][0-9]{0,8}):[A-Za-z0-9+/]+={0,2}")
PATH = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
LONGEST_ANSWER = 256 * 1024
"""Bytes."""
DEADLINE = 10.0
"""Seconds for a whole answer."""
DIGEST_LENGTH = 32


class VaultBackend:
    """A key of a transit engine (`keeper.backends.port.Backend`)."""

    name = "vault"

    def __init__(self, options: VaultOptions) -> None:
        """UsageError if the address is not HTTPS or a name cannot be one; Vault is not asked yet."""
        _check(options)
        self._options = options
        self._client = _connect(options)

    def current(self) -> str:
        """`vault:`, the mount, the key's name and its latest version."""
        return self._id(self._key()["latest_version"])

    def holds(self, key: str) -> bool:
        """Whether it is the id of any version of this key."""
        return re.fullmatch(re.escape(self._id("")) + r"[1-9][0-9]*", key) is not None

    def wrap(self, value: Secret, associated: bytes) -> Wrapped:
        """Encrypt with the latest version."""
        body = {"plaintext": _text(_bound(value, associated)), "associated_data": _text(associated)}
        ciphertext = str(self._ask("POST", f"encrypt/{self._options.key}", body).get("ciphertext", ""))
        found = CIPHERTEXT.fullmatch(ciphertext)
        if not found or len(ciphertext) > LONGEST_WRAPPED:
            raise strange("what it encrypted has another form than Vault's")
        return Wrapped(self._id(found[1]), ciphertext.encode())

    def unwrap(self, wrapped: Wrapped, associated: bytes) -> Secret:
        """Decrypt, with the version that the ciphertext names."""
        ciphertext = wrapped.data.decode("ascii", errors="replace")
        found = CIPHERTEXT.fullmatch(ciphertext)
        if not found or self._id(found[1]) != wrapped.key:
            raise DoesNotOpen
        body = {"ciphertext": ciphertext, "associated_data": _text(associated)}
        try:
            plain = b64decode(str(self._ask("POST", f"decrypt/{self._options.key}", body)["plaintext"]))
        except (KeyError, NotBase64) as error:
            raise strange("what it decrypted has another form than Vault's") from error
        if not hmac.compare_digest(plain[:DIGEST_LENGTH], _digest(associated)):
            raise DoesNotOpen
        return Secret(plain[DIGEST_LENGTH:])

    def begin_rotation(self, before: str) -> str:
        """Let Vault make the key's next version."""
        if self.current() == before:
            self._ask("POST", f"keys/{self._options.key}/rotate", {})
        return self.current()

    def end_rotation(self, keep: str) -> str:
        """Forbid older versions, and have Vault delete them."""
        version = int(keep.rpartition("v")[2])
        key = self._options.key
        self._ask(
            "POST",
            f"keys/{key}/config",
            {"min_decryption_version": version, "min_encryption_version": version},
        )
        self._ask("POST", f"keys/{key}/trim", {"min_available_version": version})
        return "Vault deleted the older versions of the key; its own backups may still hold them."

    def status(self) -> BackendStatus:
        """Whether Vault is there, unsealed, and does for us what we need."""
        works = prove(self)
        if not works:
            return BackendStatus(self.name, "", works)
        key = self._key()
        notes = [f"key {self._options.key} at {self._options.address}, type {key['type']}"]
        if key.get("exportable") or key.get("allow_plaintext_backup"):
            notes.append("the key can be exported from Vault: make one that cannot")
        if key.get("deletion_allowed"):
            notes.append("Vault allows this key to be deleted, which would destroy every secret")
        return BackendStatus(self.name, self._id(key["latest_version"]), works, tuple(notes))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._client = _connect(self._options)

    def _id(self, version: object) -> str:
        return f"vault:{self._options.mount}/{self._options.key}:v{version}"

    def _key(self) -> Mapping[str, object]:
        key = self._ask("GET", f"keys/{self._options.key}", None)
        latest = key.get("latest_version")
        if not isinstance(latest, int) or latest < 1 or not isinstance(key.get("type"), str):
            raise strange("it does not say which version of the key is the latest")
        return key

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None) -> Mapping[str, object]:
        """One request; returns `data` of the answer. No error holds a token, a plaintext or a body."""
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self._options.namespace:
            headers["X-Vault-Namespace"] = self._options.namespace
        url = f"{self._options.mount}/{path}"
        try:
            with self._client.stream(method, url, json=body, headers=headers) as answer:
                content = _read(answer)
        except httpx2.HTTPError as error:
            raise unreachable(self._options.address, error) from None  # the cause holds the request
        if answer.status_code not in (200, 204):
            raise refusal(answer.status_code, content, path)
        return _data(content)

    def _token(self) -> str:
        try:
            token = read_secret_file(self._options.token_file, longest=4096).strip().decode("ascii")
        except (FileNotFoundError, UnicodeDecodeError) as error:
            raise PermanentError(
                f"there is no Vault token in {self._options.token_file}",
                resolution="Have Vault's agent, or you, write one there, readable by Sealock's user alone.",
            ) from error
        if not re.fullmatch(r"[!-~]+", token):
            raise PermanentError(f"{self._options.token_file} does not hold a Vault token")
        return token


def _connect(options: VaultOptions) -> httpx2.Client:
    return httpx2.Client(
        base_url=f"{options.address.rstrip('/')}/v1/",
        verify=ssl.create_default_context(cafile=options.ca_certificate),
        timeout=DEADLINE,
        follow_redirects=False,  # the token goes to the address that was set, nowhere else
        trust_env=False,
    )


def _check(options: VaultOptions) -> None:
    address = urlsplit(options.address)
    if address.scheme != "https" or not address.hostname or address.username or address.query:
        raise UsageError(
            f"{options.address[:200]!r} cannot be Vault's address",
            details="It must be https://host or https://host:port: keys go over it.",
            resolution="Correct the setting vault_address.",
        )
    for name in (options.mount, options.key):
        if not PATH.fullmatch(name):
            raise UsageError(f"{name[:100]!r} cannot be a mount or key of Vault")


def _read(answer: httpx2.Response) -> bytes:
    """The whole answer. The client's own deadline starts anew with each piece, so there is one more."""
    content, end = b"", time.monotonic() + DEADLINE
    for chunk in answer.iter_bytes():
        content += chunk
        if len(content) > LONGEST_ANSWER:
            raise strange(f"its answer is longer than {LONGEST_ANSWER} bytes")
        if time.monotonic() > end:
            raise httpx2.ReadTimeout(f"the answer was not whole after {DEADLINE:g} s")
    return content


def _data(content: bytes) -> Mapping[str, object]:
    if not content:
        return {}
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise strange("its answer is no JSON") from None
    data = answer.get("data") if isinstance(answer, dict) else None
    return data if isinstance(data, dict) else {}


def _digest(associated: bytes) -> bytes:
    return hashlib.sha256(b"sealock bound to v1" + associated).digest()


def _bound(value: Secret, associated: bytes) -> bytes:
    return _digest(associated) + value.reveal()


def _text(value: bytes) -> str:
    return b64encode(value).decode()
