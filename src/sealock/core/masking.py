"""Which values are not masked in what a build prints, because masking them would tell more than it hides.

A value of three letters stands in ordinary output by chance, again and again: masked, it makes a log that
cannot be read, and whoever compares it with an unmasked one learns the value. So does a word such as
`true`. Both are rather settings than secrets, and whoever sets one is told.
"""

from __future__ import annotations

from enum import StrEnum

SHORTEST_MASKED = 4
"""Bytes. GitLab asks for 8, Buildkite for 6; a PIN of four digits is worth a few stars too many."""

_FEWEST_OF_ONE_BYTE = 8
_COMMON = frozenset(
    b"admin always auto debug default develop development disabled enabled error false guest http https info "
    b"latest local localhost main master never none null password prod production public release root secret "
    b"stage staging test tests trace true undefined user warn warning".split()
)


class NotMasked(StrEnum):
    """Why a value is not masked; as text, the words that follow "it is"."""

    SHORT = f"too short to be masked (fewer than {SHORTEST_MASKED} characters): not masked in logs"
    COMMON = (
        "too common to be masked (an ordinary word, or one character again and again): not masked in logs"
    )


def bare(value: bytes) -> bytes:
    """What of it is secret: the blanks around a text are not, and in what is no text nothing is a blank."""
    return value if b"\0" in value else value.strip()


def why_not_masked(value: bytes) -> NotMasked | None:
    """None if it is masked."""
    text = bare(value)
    if len(text) < SHORTEST_MASKED:
        return NotMasked.SHORT
    return NotMasked.COMMON if is_common(text) else None


def is_common(text: bytes) -> bool:
    """Whether it says nothing, being in every log. text: without blanks around it."""
    return text.lower() in _COMMON or (len(set(text)) == 1 and len(text) < _FEWEST_OF_ONE_BYTE)
