"""A Vault with a transit engine, as its published API describes it, on loopback, over HTTPS.

Stricter than the real one: a field or path it does not know is refused, so that nothing of ours can be
misspelt. It encrypts for real, keeps versions, forbids and deletes old ones, can be sealed, and its tokens
expire and are allowed some paths only.
"""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support.certificates import make_certificate

TOKEN = "hvs.CAESIJx-a-service-token"
PATHS = ("encrypt", "decrypt", "keys")


class Refused(Exception):
    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status)
        self.status = status
        self.errors = list(errors)


@dataclass
class TransitKey:
    """versions: number to key; deleted ones are gone from it."""

    versions: dict[int, bytes] = field(default_factory=lambda: {1: os.urandom(32)})
    min_decryption_version: int = 1
    min_encryption_version: int = 0
    min_available_version: int = 0
    exportable: bool = False

    @property
    def latest(self) -> int:
        return max(self.versions)

    def shown(self) -> dict[str, Any]:
        return {
            "type": "aes256-gcm96",
            "latest_version": self.latest,
            "keys": dict.fromkeys(map(str, self.versions), 1442851412),
            "min_decryption_version": self.min_decryption_version,
            "min_encryption_version": self.min_encryption_version,
            "min_available_version": self.min_available_version,
            "deletion_allowed": False,
            "derived": False,
            "exportable": self.exportable,
            "allow_plaintext_backup": False,
            "supports_encryption": True,
            "supports_decryption": True,
        }


class Vault:
    """The state. tokens: to when they expire (`time.monotonic`). forbidden: paths no token may use.
    ignores_associated_data: as a Vault from before that field."""

    def __init__(self) -> None:
        self.sealed = False
        self.tokens = {TOKEN: float("inf")}
        self.forbidden: set[str] = set()
        self.ignores_associated_data = False
        self.answer_with: tuple[int, bytes] | None = None
        self.keys = {"sealock": TransitKey()}
        self.requests: list[tuple[str, str, dict[str, Any]]] = []

    def handle(self, method: str, path: str, token: str, body: bytes) -> dict[str, Any] | None:
        if self.sealed:
            raise Refused(503, "Vault is sealed")
        parts = path.removeprefix("/v1/transit/").split("/")
        if not path.startswith("/v1/transit/") or parts[0] not in PATHS:
            raise Refused(404, f"no handler for route {path!r}")
        if self.tokens.get(token, 0.0) <= time.monotonic() or "/".join(parts) in self.forbidden:
            raise Refused(403, "permission denied")
        given = json.loads(body) if body else {}
        self.requests.append((method, "/".join(parts), given))
        match method, parts:
            case "GET", ["keys", name] if name in self.keys:
                return self.keys[name].shown()
            case "GET", ["keys", _]:
                raise Refused(404)
            case "POST" | "PUT", ["keys", name, "rotate" | "config" | "trim" as what] if name in self.keys:
                return dict(getattr(self, f"_{what}")(self.keys[name], given))
            case "POST" | "PUT", ["encrypt" | "decrypt" as what, name]:
                if name not in self.keys:
                    raise Refused(400, "encryption key not found")
                return dict(getattr(self, f"_{what}")(self.keys[name], given))
        raise Refused(405 if parts[0] in PATHS else 404, "unsupported operation")

    def _rotate(self, key: TransitKey, given: dict[str, Any]) -> dict[str, Any]:
        _only(given)
        key.versions[key.latest + 1] = os.urandom(32)
        return key.shown()

    def _config(self, key: TransitKey, given: dict[str, Any]) -> dict[str, Any]:
        _only(given, "min_decryption_version", "min_encryption_version")
        decryption = given.get("min_decryption_version", key.min_decryption_version)
        encryption = given.get("min_encryption_version", key.min_encryption_version)
        if max(decryption, encryption) > key.latest:
            raise Refused(400, f"cannot set min version, latest key version is {key.latest}")
        if 0 < encryption < decryption or min(decryption, encryption) < key.min_available_version:
            raise Refused(400, "cannot set min encryption/decryption values")
        key.min_decryption_version, key.min_encryption_version = decryption, encryption
        return key.shown()

    def _trim(self, key: TransitKey, given: dict[str, Any]) -> dict[str, Any]:
        _only(given, "min_available_version")
        wanted = given["min_available_version"]
        if not 0 < wanted <= min(key.min_encryption_version, key.min_decryption_version):
            raise Refused(400, "minimum available version cannot be set")
        if wanted < key.min_available_version:
            raise Refused(400, "minimum available version cannot be decremented")
        key.min_available_version = wanted
        key.versions = {number: value for number, value in key.versions.items() if number >= wanted}
        return key.shown()

    def _encrypt(self, key: TransitKey, given: dict[str, Any]) -> dict[str, Any]:
        _only(given, "plaintext", "associated_data")
        nonce = os.urandom(12)
        plain = _base64(given["plaintext"])
        data = nonce + AESGCM(key.versions[key.latest]).encrypt(nonce, plain, self._associated(given))
        text = b64encode(data).decode()
        return {"ciphertext": f"vault:v{key.latest}:{text}", "key_version": key.latest}

    def _decrypt(self, key: TransitKey, given: dict[str, Any]) -> dict[str, Any]:
        _only(given, "ciphertext", "associated_data")
        prefix, version, text = given["ciphertext"].split(":", 2)
        number = int(version.removeprefix("v"))
        if prefix != "vault":
            raise Refused(400, "invalid ciphertext: no prefix")
        if number < key.min_decryption_version:
            raise Refused(400, "ciphertext or signature version is disallowed by policy (too old)")
        if number > key.latest:
            raise Refused(400, "invalid ciphertext: version is too new")
        data = _base64(text)
        try:
            plain = AESGCM(key.versions[number]).decrypt(data[:12], data[12:], self._associated(given))
        except (InvalidTag, ValueError):
            raise Refused(400, "cipher: message authentication failed") from None
        return {"plaintext": b64encode(plain).decode()}

    def _associated(self, given: dict[str, Any]) -> bytes | None:
        return None if self.ignores_associated_data else _base64(given.get("associated_data", ""))


def _only(given: dict[str, Any], *known: str) -> None:
    if set(given) - set(known):
        raise Refused(400, f"unknown fields {sorted(set(given) - set(known))}")


def _base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except NotBase64:
        raise Refused(400, "illegal base64 data") from None


class _Handler(BaseHTTPRequestHandler):
    vault: Vault
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024  # headers and body in one packet

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.vault.answer_with is not None:
            self._send(*self.vault.answer_with)
            return
        try:
            token = self.headers.get("X-Vault-Token", "")
            data = self.vault.handle(self.command, self.path, token, body)
        except Refused as refused:
            self._send(refused.status, json.dumps({"errors": refused.errors}).encode())
        else:
            answer = {"request_id": "8375227a", "lease_id": "", "renewable": False, "data": data}
            self._send(200, json.dumps(answer).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status in (301, 302, 307):
            self.send_header("Location", "https://127.0.0.1:1/v1/transit/keys/sealock")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _serve

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass
class RunningVault:
    """A Vault that answers at `address`. ca_certificate: who signed its certificate."""

    vault: Vault
    address: str
    ca_certificate: Path
    token_file: Path


@contextmanager
def running_vault(directory: Path) -> Iterator[RunningVault]:
    """Serve a new Vault on loopback until the block is left."""
    directory.mkdir(mode=0o700, parents=True)
    ca_certificate, certificate, key = make_certificate(directory)
    token_file = directory / "token"
    token_file.write_text(TOKEN + "\n")
    token_file.chmod(0o400)
    vault = Vault()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"vault": vault}))
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield RunningVault(vault, f"https://127.0.0.1:{server.server_address[1]}", ca_certificate, token_file)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
