"""Where a secret may be used, sealed together with its value.

The scope stands inside the ciphertext, before the value. So whoever can write to the store can neither
widen it nor exchange it for another secret's, and the keeper learns it from the very bytes it would
release.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sealock.core.secret import Secret

MAGIC = b"sealock scoped v1\n"
LONGEST_SCOPE = 16 * 1024
"""Bytes of a scope as it is sealed."""


@dataclass(frozen=True)
class Scope:
    """Each condition must hold. pipelines: only the steps of these, none named means of all.
    deployments_only: no setup and no test sees it. protected_only: no build of an unprotected branch and
    none of a pull request from a fork sees it."""

    pipelines: tuple[str, ...] = ()
    deployments_only: bool = False
    protected_only: bool = True


def enclose(scope: Scope, value: Secret) -> Secret:
    """A value with its scope before it, to be sealed; the caller forgets both. ValueError if the scope is
    too long."""
    told = json.dumps(
        {
            "deployments_only": scope.deployments_only,
            "pipelines": list(scope.pipelines),
            "protected_only": scope.protected_only,
        },
        separators=(",", ":"),
    ).encode()
    if len(told) > LONGEST_SCOPE:
        raise ValueError("a scope that long is not sealed")
    return Secret(MAGIC + len(told).to_bytes(4, "big") + told + b"\0" + value.reveal())


def disclose(enclosed: Secret) -> tuple[Scope, Secret]:
    """The scope and the value of what was enclosed; the caller forgets the value. ValueError, without a
    byte of it, if it is something else."""
    content = enclosed.reveal()
    start = len(MAGIC) + 4
    end = start + int.from_bytes(content[len(MAGIC) : start], "big")
    if not content.startswith(MAGIC) or end - start > LONGEST_SCOPE or content[end : end + 1] != b"\0":
        raise ValueError("not a value with a scope")
    return _scope(content[start:end]), Secret(content[end + 1 :])


def _scope(told: bytes) -> Scope:
    try:
        found = json.loads(told)
        pipelines = tuple(found.pop("pipelines"))
        scope = Scope(pipelines, found.pop("deployments_only"), found.pop("protected_only"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # Without the cause: its text could show what was decrypted.
        raise ValueError("not a scope") from None
    flags = (scope.deployments_only, scope.protected_only)
    if found or not all(isinstance(name, str) for name in pipelines) or {type(f) for f in flags} != {bool}:
        raise ValueError("not a scope")
    return scope
