"""What an operator puts into every image beside the recipe: certificates, mirrors, configuration.

All of it is readable to every build, as everything in an image is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sealock.core.errors import UsageError

CERTIFICATE_PLACE = "/usr/local/share/ca-certificates/operator.crt"
SOURCES_PLACE = "/etc/apt/sources.list.d/operator.sources"
PIP_PLACE = "/etc/pip.conf"
NPM_PLACE = "/etc/npmrc"


@dataclass(frozen=True)
class Additions:
    """ca_certificates: PEM text to trust beside the usual ones. apt_sources: the text of a `.sources`
    file that takes the place of the guest's usual package sources. pip_conf, npmrc: the text of the
    machine-wide pip and npm configuration."""

    ca_certificates: str | None = None
    apt_sources: str | None = None
    pip_conf: str | None = None
    npmrc: str | None = None

    def files(self) -> dict[str, bytes]:
        """Where each of them goes, and its content."""
        places = {
            CERTIFICATE_PLACE: self.ca_certificates,
            SOURCES_PLACE: self.apt_sources,
            PIP_PLACE: self.pip_conf,
            NPM_PLACE: self.npmrc,
        }
        return {place: text.encode("utf-8") for place, text in places.items() if text is not None}

    def canonical(self) -> dict[str, str]:
        """Hashes of all of it, for the image's digest: the text may hold a password."""
        return {place: hashlib.sha256(content).hexdigest() for place, content in self.files().items()}


def read_certificates(path: Path) -> str:
    """PEM certificates from a file. UsageError if it holds none, or a private key."""
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the CA certificate {path} cannot be read", details=str(error)) from error
    if "PRIVATE KEY" in text:
        raise UsageError(
            f"{path} holds a private key",
            resolution="Give the certificate alone: every build could read the key.",
        )
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise UsageError(f"{path} holds no PEM certificate")
    return text
