"""How a field says no: an error the validation library collects, and `told` turns into a problem."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

KIND = "sealock"


def refuse(message: str, resolution: str = "", *, at: str = "", seen: bool = False) -> PydanticCustomError:
    """An error for the field being checked, or its field `at`.

    message: continues the sentence that begins with the field's name. seen: say what stands there.
    """
    return PydanticCustomError(
        KIND, "{message}", {"message": message, "resolution": resolution, "at": at, "seen": seen}
    )
