"""Where a secret may be used, sealed together with its value.

The scope stands inside the ciphertext, before the value. So whoever can write to the store can neither
widen it nor exchange it for another secret's, and the keeper learns it from the very bytes it would
release. The repository it is for is a part of it: which one a project builds, only a database says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from sealock.core.secret import Secret
from sealock.core.source import GitAddress, GitOrigin

T = TypeVar("T")

MAGIC = b"sealock scoped v2\n"
WITHOUT_ORIGIN = b"sealock scoped v1\n"
"""What begins values from before there were repositories in scopes. None of them is released any more: to
take them as they are would leave them open to code of any repository."""

LONGEST_SCOPE = 64 * 1024
"""Bytes of a scope as it is sealed."""


@dataclass(frozen=True)
class Scope:
    """Each condition must hold. pipelines: only the steps of these, none named means of all.
    deployments_only: no setup and no test sees it. protected_only: no build of an unprotected branch and
    none of a pull request from a fork sees it. origin: no build of another repository sees it; None: none
    of any. directories: builds of directories of the worker's own host see it as well."""

    pipelines: tuple[str, ...] = ()
    deployments_only: bool = False
    protected_only: bool = True
    origin: GitOrigin | None = None
    directories: bool = False


def of_a_fetch(origin: GitOrigin) -> Scope:
    """The scope of the key that a repository is fetched with: before that there is no branch and no step."""
    return Scope(protected_only=False, origin=origin)


def enclose(scope: Scope, value: Secret) -> Secret:
    """A value with its scope before it, to be sealed; the caller forgets both. ValueError if the scope is
    too long."""
    told = json.dumps(asdict(scope), separators=(",", ":"), sort_keys=True).encode()
    if len(told) > LONGEST_SCOPE:
        raise ValueError("a scope that long is not sealed")
    return Secret(MAGIC + len(told).to_bytes(4, "big") + told + b"\0" + value.reveal())


def disclose(enclosed: Secret) -> tuple[Scope, Secret]:
    """The scope and the value of what was enclosed; the caller forgets the value. ValueError, without a
    byte of it, if it is something else."""
    content = enclosed.reveal()
    if content.startswith(WITHOUT_ORIGIN):
        raise ValueError("it was set before secrets were for one repository: set it again")
    start = len(MAGIC) + 4
    end = start + int.from_bytes(content[len(MAGIC) : start], "big")
    if not content.startswith(MAGIC) or end - start > LONGEST_SCOPE or content[end : end + 1] != b"\0":
        raise ValueError("not a value with a scope")
    return _scope(content[start:end]), Secret(content[end + 1 :])


def _scope(told: bytes) -> Scope:
    try:
        return _read(json.loads(told))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # Without the cause: its text could show what was decrypted.
        raise ValueError("not a scope") from None


def _read(told: Mapping[str, Any]) -> Scope:
    """ValueError, TypeError or KeyError for anything but what `enclose` writes."""
    origin = told["origin"]
    scope = Scope(
        pipelines=_texts(told["pipelines"]),
        deployments_only=_must_be(bool, told["deployments_only"]),
        protected_only=_must_be(bool, told["protected_only"]),
        origin=None if origin is None else _origin(origin),
        directories=_must_be(bool, told["directories"]),
    )
    if json.loads(json.dumps(asdict(scope))) != told:
        raise ValueError("it says more than a scope does")
    return scope


def _origin(told: Mapping[str, Any]) -> GitOrigin:
    address = told["address"]
    return GitOrigin(
        GitAddress(
            user=_must_be(str, address["user"]),
            host=_must_be(str, address["host"]),
            port=_must_be(int, address["port"]),
            path=_must_be(str, address["path"]),
        ),
        _texts(told["host_keys"]),
    )


def _texts(told: object) -> tuple[str, ...]:
    return tuple(_must_be(str, each) for each in _must_be(list, told))


def _must_be(kind: type[T], told: object) -> T:
    if type(told) is not kind:
        raise TypeError("a scope has that in another form")
    return told
