"""Base64url: bytes have one spelling, and nothing else is read."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import every

from identry.core.base64url import decoded, encoded, segment


@every("text", ["AB", "A", "AAAAA", "AA==", "AA=", "=", "A+", "A/", "A A", " AA", "AA\n", "é", "AAé", "A\x00", "AAA="])
def test_base64url_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padding|padded|ascii|ASCII|Only|Non|Incorrect|Invalid|characters"):
        decoded(text)


@given(st.binary(max_size=100))
def test_what_was_encoded_is_decoded(value: bytes) -> None:
    text = encoded(value)
    assert text == base64.urlsafe_b64encode(value).decode().rstrip("=")
    assert segment(value) == text.encode()
    assert decoded(text) == value


@given(st.text("AQgw09-_+/= é", max_size=8))
def test_what_is_decoded_is_what_is_encoded(text: str) -> None:
    try:
        value = decoded(text)
    except ValueError:
        return
    assert encoded(value) == text
