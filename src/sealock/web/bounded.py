"""What is sent to the website in JSON, looked at no further once there are more fields than anything has.

Each field that is unknown would otherwise become a complaint of its own: a megabyte of them takes a second to
tell of, and anybody can send one.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

MOST_FIELDS = 64


class Bounded(BaseModel):
    """Strict, and without a field it does not name."""

    model_config = ConfigDict(strict=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few(cls, given: object) -> object:
        if isinstance(given, dict) and len(given) > MOST_FIELDS:
            raise PydanticCustomError("too_many_fields", "There are too many fields.")
        return given
