"""The servers this person signed in to from this host: one file, which nobody else may be able to read.

    ~/.config/sealock/servers.json      or below XDG_CONFIG_HOME

It holds tokens. A file that others could have read is refused rather than used: what was in it may be
theirs by now.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import make_private_directory, read_secret_file, write_whole
from sealock.core.secret import Secret

LONGEST_FILE = 1024 * 1024
FORMAT = 1


@dataclass(frozen=True)
class SignIn:
    """url: `https://HOST[:PORT]`. person: an e-mail address. authority: the certificate that is trusted for
    this server, PEM, `` for those this host trusts. receipt_key: what its receipts are checked with, PEM, as
    it was at the sign-in."""

    url: str
    token: Secret
    person: str = ""
    authority: str = ""
    receipt_key: str = ""


class SignIns:
    """directory: where the file lies; by default where this person's settings of programs lie."""

    def __init__(self, directory: Path | None = None) -> None:
        self._path = (directory or _config_home() / "sealock") / "servers.json"

    def current(self) -> SignIn | None:
        """The server one signed in to last. UsageError if the file is not safe to use."""
        kept = self._read()
        return kept[-1] if kept else None

    def keep(self, sign_in: SignIn) -> None:
        """Keep a sign-in, in the place of an earlier one to the same server; it is the current one now."""
        self._write([one for one in self._read() if one.url != sign_in.url] + [sign_in])

    def get(self, url: str) -> SignIn | None:
        """The sign-in to that server."""
        return next((one for one in self._read() if one.url == url), None)

    def forget(self, url: str) -> None:
        """Forget one; the one before it is the current one then."""
        self._write([one for one in self._read() if one.url != url])

    def _read(self) -> list[SignIn]:
        try:
            content = read_secret_file(self._path, longest=LONGEST_FILE)
        except FileNotFoundError:
            return []
        except PermanentError as error:
            raise UsageError(
                f"{self._path} is not safe to use: others may have read the tokens in it",
                details=error.details,
                resolution=f"Remove it, revoke those tokens on the server's account page, and sign in again: "
                f"rm {self._path}; sealock login URL",
            ) from error
        return self._parsed(content)

    def _parsed(self, content: bytes) -> list[SignIn]:
        try:
            found = json.loads(content)
            if found["format"] != FORMAT:
                raise ValueError("another format")
            return [_sign_in(one) for one in found["servers"]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # Without the cause: its text could show a token.
            raise UsageError(
                f"{self._path} cannot be read", resolution="Remove it and sign in again: sealock login URL"
            ) from None

    def _write(self, kept: list[SignIn]) -> None:
        make_private_directory(self._path.parent)
        content = {"format": FORMAT, "servers": [_as_json(one) for one in kept]}
        write_whole(self._path, json.dumps(content, indent=1).encode() + b"\n", 0o600)


def server_address(text: str) -> str:
    """`https://HOST[:PORT]`, as it is kept. UsageError for anything else, http:// included."""
    wrong = UsageError(
        f"{text[:200]!r} is not where a server can be reached",
        resolution="Give it as https://HOST or https://HOST:PORT: a token is never sent by plain HTTP.",
    )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise wrong from None
    extra = parts.username or parts.password or parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme != "https" or not parts.hostname or extra or not text.isascii() or not text.isprintable():
        raise wrong
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}" if port in (None, 443) else f"https://{host}:{port}"


def _config_home() -> Path:
    """As the XDG base directory specification has it: a path that is not absolute is none."""
    told = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(told) if Path(told).is_absolute() else Path.home() / ".config"


def _sign_in(found: Mapping[str, Any]) -> SignIn:
    fields = {name: found[name] for name in ("url", "token", "person", "authority", "receipt_key")}
    if not all(isinstance(value, str) for value in fields.values()):
        raise ValueError("not a sign-in")
    token = Secret(fields.pop("token").encode())
    return SignIn(token=token, **fields | {"url": server_address(fields["url"])})


def _as_json(one: SignIn) -> dict[str, str]:
    return {
        "url": one.url,
        "token": one.token.reveal().decode(),
        "person": one.person,
        "authority": one.authority,
        "receipt_key": one.receipt_key,
    }
