"""The proof that a back end works: something wrapped now comes out again, and with another binding not."""

from __future__ import annotations

import os

from sealock.core.decision import Allowed
from sealock.core.errors import SealockError
from sealock.core.sealed import DoesNotOpen
from sealock.core.secret import Secret
from sealock.keeper.backends.port import Backend, Fails

ANOTHER = "Seal nothing with it: what answers is no sound back end. Choose another (setting key_backend)."


def prove(backend: Backend) -> Allowed | Fails:
    """Allowed, or what went wrong and what to do about it."""
    with Secret(os.urandom(32)) as value:
        try:
            wrapped = backend.wrap(value, b"sealock proof")
            with backend.unwrap(wrapped, b"sealock proof") as out:
                same = out.reveal() == value.reveal()
            backend.unwrap(wrapped, b"sealock proof of another").forget()
        except DoesNotOpen:
            return Allowed() if same else Fails("what came out is not what was wrapped", ANOTHER)
        except SealockError as error:
            return fails(error)
    return Fails("the back end does not check what a wrapped key is bound to", ANOTHER)


def fails(error: SealockError) -> Fails:
    """What an error says, as the answer to whether keys work."""
    told = f"{error.brief}: {error.details}" if error.details else error.brief
    return Fails(told, error.resolution)
