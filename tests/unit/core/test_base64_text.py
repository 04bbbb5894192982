"""One spelling of Base64 and no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import binary

from sealock.core.base64_text import decode, encode


@given(binary())
def test_what_was_encoded_is_decoded(value: bytes) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize("text", ["YR==", "YQ", "YQ=", "YQ==\n", " YQ==", "Y Q==", "-_-_", "é", "a"])
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Base64"):
        decode(text)
