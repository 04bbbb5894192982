"""What a word without quotes means: the core schema of YAML 1.2, and nothing beyond it.

So `on`, `yes`, `no` and `2024-01-01` are text; `true`, `null` and `3.10` are not.
"""

from __future__ import annotations

import re

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NOTHING = {"", "~", "null", "Null", "NULL"}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

Scalar = str | int | float | bool | None


def resolve(text: str) -> Scalar:
    """The value that text without quotes stands for."""
    if text in _NOTHING:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    # Past 18 digits an integer is read as a real number: it is far outside every field's range, and
    # making integers of very long texts takes quadratic time.
    if _DECIMAL.fullmatch(text) and len(text) <= 18:
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if _REAL.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return None
