"""The host keys of Git servers. A key is pinned before the first connection, never learned from one.

Four public hosts are shipped. Their keys were compared, byte for byte, with what each host publishes and
with independent copies of it:

- github.com: docs.github.com, "GitHub's SSH key fingerprints", and api.github.com/meta
- gitlab.com: docs.gitlab.com, "GitLab.com settings: SSH known_hosts entries"
- bitbucket.org: bitbucket.org/site/ssh, and the announcement of its new keys of May 2023
- codeberg.org: docs.codeberg.org, "Verifying you're connected to Codeberg using SSH fingerprints"

Their RSA keys are left out: each of these hosts offers Ed25519 and ECDSA. The key of another host comes
from the operator's known_hosts file, or is given when the project is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sealock.core.errors import PermanentError, UsageError
from sealock.providers.git.known_hosts_file import LARGEST, entries, host_key, names_host

_P256 = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBB"

PUBLISHED: dict[str, tuple[str, ...]] = {
    "github.com": (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        _P256 + "EmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=",
    ),
    "gitlab.com": (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf",
        _P256 + "FSMqzJeV9rUzU4kWitGjeR4PWSa29SPqJ1fVkhtj3Hw9xjLVXVYrU9QlYWrOLXBpQ6KWjbjTDTdDkoohFzgbEY=",
    ),
    "bitbucket.org": (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO",
        _P256 + "PIQmuzMBuKdWeF4+a2sjSSpBK0iqitSQ+5BM9KhpexuGt20JpTVM7u5BDZngncgrqDMbWdxMWWOGtZ9UgbqgZE=",
    ),
    "codeberg.org": (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVIC02vnjFyL+I4RHfvIGNtOgJMe769VTF1VR4EB3ZB",
        _P256 + "L2pDxWr18SoiDJCGZ5LmxPygTlPu+cCKSkpqkvCyQzl5xmIMeKNdfdBpfbCGDPoZQghePzFZkKJNR/v9Win3Sc=",
    ),
}


def pins(host: str, port: int, given: Sequence[str], operator_file: Path | None) -> tuple[str, ...]:
    """The keys `host` may prove itself by, as `algorithm base64`.

    given: keys or known_hosts lines from whoever made the project; they count alone if there are any.
    Otherwise the operator's known_hosts file counts, otherwise what is published (port 22 only). A key
    the operator's file marks `@revoked` never counts.

    UsageError: a malformed or weak key, one for another host, or none known at all. PermanentError: the
    operator's file cannot be read.
    """
    theirs, revoked = _operators(host, port, operator_file)
    published = PUBLISHED.get(host, ()) if port == 22 else ()
    chosen = tuple(_given(line, host, port) for line in given) or theirs or published
    keys = tuple(key for key in dict.fromkeys(chosen) if key not in revoked)
    if not keys:
        raise _unknown(host, port, bool(chosen))
    return keys


def known_hosts(alias: str, keys: Sequence[str]) -> str:
    """A known_hosts file that knows one host, by the name `HostKeyAlias` gives it."""
    return "".join(f"{alias} {key}\n" for key in keys)


def _given(line: str, host: str, port: int) -> str:
    """A key, or a known_hosts line as ssh-keyscan prints it."""
    fields = line.split()
    for marker, patterns, key in entries(line):
        if marker or not names_host(patterns, host, port):
            raise UsageError(
                f"the host key {line.strip()[:80]!r} is not one of {host}, port {port}",
                resolution="Give the line that ssh-keyscan prints for this host, or the key alone.",
            )
        return host_key(key)
    return host_key(" ".join(fields[:2]))


def _operators(host: str, port: int, file: Path | None) -> tuple[tuple[str, ...], frozenset[str]]:
    """What the operator's file has for this host: keys that count, keys that never do."""
    if file is None:
        return (), frozenset()
    try:
        if file.stat().st_size > LARGEST:
            raise PermanentError(f"{file} is larger than {LARGEST} bytes", resolution="Shorten it.")
        text = file.read_text()
    except FileNotFoundError:
        return (), frozenset()
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(
            f"the known_hosts file {file} cannot be read",
            details=str(error),
            resolution="Make it a text file the worker's user can read.",
        ) from error
    found = [(marker, key) for marker, patterns, key in entries(text) if names_host(patterns, host, port)]
    revoked = frozenset(key for marker, key in found if marker == "@revoked")
    # A line of a certificate authority is no host key; ours are compared, not certified.
    return tuple(host_key(key) for marker, key in found if not marker), revoked


def _unknown(host: str, port: int, were_revoked: bool) -> UsageError:
    name = host if port == 22 else f"[{host}]:{port}"
    return UsageError(
        f"every known host key of {name} is revoked"
        if were_revoked
        else f"the host key of {name} is not known",
        resolution=f"Ask whoever runs {host} for its fingerprint, compare it with what "
        f"`ssh-keyscan -p {port} {host} | ssh-keygen -lf -` shows, and give the line of ssh-keyscan with the "
        "project, or put it into the operator's known_hosts file.",
    )
