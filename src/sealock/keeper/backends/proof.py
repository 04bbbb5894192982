"""The proof that a back end works: something wrapped now comes out again, and with another binding not."""

from __future__ import annotations

import os

from sealock.core.decision import Allowed, Decision, Denied
from sealock.core.errors import SealockError
from sealock.core.sealed import DoesNotOpen
from sealock.core.secret import Secret
from sealock.keeper.backends.port import Backend


def prove(backend: Backend) -> Decision:
    """Allowed, or Denied with what went wrong."""
    with Secret(os.urandom(32)) as value:
        try:
            wrapped = backend.wrap(value, b"sealock proof")
            with backend.unwrap(wrapped, b"sealock proof") as out:
                same = out.reveal() == value.reveal()
            backend.unwrap(wrapped, b"sealock proof of another").forget()
        except DoesNotOpen:
            return Allowed() if same else Denied("what came out is not what was wrapped")
        except SealockError as error:
            return Denied(f"{error.brief}{': ' if error.details else ''}{error.details}")
    return Denied("the back end does not check what a wrapped key is bound to")
