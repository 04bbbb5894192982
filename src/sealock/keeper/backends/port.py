"""What wraps the secret halves of key sets, whatever it is: one small port, and how a choice is made.

A back end never stores anything of ours but its own keys. What is wrapped is bound to bytes the caller
gives (`associated`); with other bytes it does not come out again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sealock.core.decision import Allowed, Denied
from sealock.core.errors import PermanentError
from sealock.core.secret import Secret

LONGEST_WRAPPED = 4096
"""Bytes; what comes back from a back end is a hundred or two."""


@dataclass(frozen=True)
class Wrapped:
    """A wrapped secret. key: which key of which back end wrapped it, such as `file:0123456789abcdef`.
    data: as that back end makes it."""

    key: str
    data: bytes


@dataclass(frozen=True)
class Fails(Denied):
    """That a back end does not work. advice: what to do about it."""

    advice: str


@dataclass(frozen=True)
class BackendStatus:
    """name: `file`, `passphrase`, `vault` or `kms`. key: the id of the key in use, empty if it cannot be
    told. works: whether a wrapped secret came out again just now; `Fails` if not. notes: what an operator
    should know."""

    name: str
    key: str
    works: Allowed | Fails
    notes: tuple[str, ...] = ()


class Backend(Protocol):
    """Holds key-encryption keys. Every method may raise PermanentError or TemporaryError."""

    name: str

    def current(self) -> str:
        """The id of the key that new wraps use."""
        ...

    def holds(self, key: str) -> bool:
        """Whether that id names a key of this back end, as it is configured."""
        ...

    def wrap(self, value: Secret, associated: bytes) -> Wrapped:
        """Wrap a secret of at most 64 bytes with the current key, bound to `associated`."""
        ...

    def unwrap(self, wrapped: Wrapped, associated: bytes) -> Secret:
        """The secret again; the caller forgets it. DoesNotOpen if it was altered or bound to something
        else; PermanentError if its key is gone."""
        ...

    def begin_rotation(self, before: str) -> str:
        """Make a new key the current one, unless the current one is not `before` any more; returns its
        id. What older keys wrapped still comes out. May be called again after a crash."""
        ...

    def end_rotation(self, keep: str) -> str:
        """Destroy every key but `keep`, as far as this back end can; returns what became of them, one
        sentence. May be called again after a crash."""
        ...

    def status(self) -> BackendStatus:
        """How it is. Does not raise for a back end that does not work: that is what it tells."""
        ...

    def close(self) -> None:
        """Let go of connections and of what is in memory. It works again when it is used again."""
        ...


class Backends:
    """The back end in use, and those that are being left: what they wrapped still comes out."""

    def __init__(self, current: Backend, *leaving: Backend) -> None:
        self.current = current
        self.leaving: Sequence[Backend] = leaving

    def unwrap(self, wrapped: Wrapped, associated: bytes) -> Secret:
        """The secret again, from whichever back end wrapped it."""
        return self._of(wrapped.key).unwrap(wrapped, associated)

    def close(self) -> None:
        """Close all of them."""
        for backend in (self.current, *self.leaving):
            backend.close()

    def _of(self, key: str) -> Backend:
        for backend in (self.current, *self.leaving):
            if backend.holds(key):
                return backend
        raise PermanentError(
            "a key set is wrapped by a key-encryption key that this installation does not have",
            details=f"It is wrapped by {key[:200]!r}; the back end in use is {self.current.name}.",
            resolution="Configure that back end again (setting key_backend_before), or restore the key from "
            "its backup.",
        )
