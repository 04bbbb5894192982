"""How what is sent to us is written, and what is said where it is not, for the API and the pages.

A regular expression is for programs: it stands in the description of the API. Whoever gets it wrong is told
in words what is allowed. A rule without words of its own cannot be used: `written` has them side by side.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sealock.core.naming import rule_of
from sealock.core.plan import PIPELINE_NAME
from sealock.core.project import PROJECT_NAME
from sealock.core.queue import LABEL
from sealock.core.sealed import SEALED_NAME
from sealock.core.workers import WORKER_NAME

LONGEST = 200
"""Characters that are said of what somebody may choose from."""

_words: dict[str, str] = {}


def written(pattern: str, words: str) -> str:
    """The pattern, from its first character to its last; words are said of what does not fit."""
    whole = f"^{pattern}$"
    _words[whole] = words
    return whole


def _name(name: re.Pattern[str]) -> str:
    return written(name.pattern, rule_of(name))


PROJECT = _name(PROJECT_NAME)
LABEL_TEXT = _name(LABEL)
WORKER = _name(WORKER_NAME)
PIPELINE = _name(PIPELINE_NAME)
SECRET = _name(SEALED_NAME)
PLAIN = written(r"[^\x00-\x1f\x7f-\x9f]*", "It must be one line, without control characters.")
"""What is shown to people, and kept in a database."""
IMAGE = written(
    r"([A-Za-z0-9][A-Za-z0-9:._-]*)?",
    "Give an image's name or digest: letters, digits, dots, colons, underscores and hyphens, a letter or "
    "digit first. Nothing stands for the installation's own.",
)
COMMIT = written(r"([0-9a-f]{40}|[0-9a-f]{64})", "Give a whole commit: 40 or 64 digits, 0 to 9 and a to f.")
TOKEN_NAME = written(
    r"[!-~]([ -~]{0,98}[!-~])?",
    "Use ASCII letters, digits, signs and spaces, at most 100, no space first or last.",
)
LINE_ID = written(r"[0-9]{1,12}(\.[0-9]{1,6})?", "Give the `id` of an event of this stream, as it was sent.")


def idempotency_key(longest: int) -> str:
    """A text of somebody's own."""
    return written(
        f"[!-~]{{1,{longest}}}", f"Use 1 to {longest} ASCII letters, digits and signs, without spaces."
    )


def in_words(whole: str) -> str:
    """What a pattern of here asks for. KeyError for any other."""
    return _words[whole]


def wrong_word(error: Mapping[str, Any]) -> str:
    """Why a field was refused, as a sentence for who sent it, never with the value. error: as pydantic has
    it; what is said of kinds we know is ours, the rest is its own."""
    kind, told = str(error.get("type", "")), error.get("ctx") or {}
    if kind == "string_pattern_mismatch":
        return _words.get(str(told.get("pattern")), "It is not written as it must be.")
    say = _KINDS.get(kind)
    return say(told) if say is not None else str(error["msg"])


def _counted(least: object, what: str) -> str:
    return f"{least} {what}{'' if least == 1 else 's'}"


def _one_of(told: Mapping[str, Any]) -> str:
    text = str(told["expected"])
    return f"It must be {text}." if len(text) <= LONGEST else "It is none of those there are."


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "It is needed.",
    "extra_forbidden": lambda _: "There is no such field or parameter.",
    "string_type": lambda _: "It must be a text.",
    "int_type": lambda _: "It must be a whole number.",
    "int_parsing": lambda _: "It must be a whole number.",
    "int_from_float": lambda _: "It must be a whole number.",
    "float_type": lambda _: "It must be a number.",
    "float_parsing": lambda _: "It must be a number.",
    "bool_type": lambda _: "It must be true or false.",
    "bool_parsing": lambda _: "It must be true or false.",
    "list_type": lambda _: "It must be a list.",
    "model_type": lambda _: "It must be a JSON object.",
    "model_attributes_type": lambda _: "It must be a JSON object.",
    "json_invalid": lambda _: "This is no JSON.",
    "enum": _one_of,
    "literal_error": _one_of,
    "string_too_short": lambda told: f"It must have at least {_counted(told['min_length'], 'character')}.",
    "string_too_long": lambda told: f"It must have at most {_counted(told['max_length'], 'character')}.",
    "too_short": lambda told: f"At least {told['min_length']} must be given.",
    "too_long": lambda told: f"At most {told['max_length']} may be given.",
    "greater_than_equal": lambda told: f"It must be at least {told['ge']}.",
    "less_than_equal": lambda told: f"It must be at most {told['le']}.",
    "less_than": lambda told: f"It must be less than {told['lt']}.",
}
