"""Whoever sent something wrong reads what to send instead, and nothing of the library that found it."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from identry.web.decoding import decode_body
from identry.web.errors import InvalidRequest
from identry.web.validation import TotpCode


class Sent(msgspec.Struct):
    code: TotpCode | None = None
    codes: list[TotpCode] = []
    token: Annotated[str, Meta(min_length=1, max_length=3, pattern="^a*$")] = "a"
    few: Annotated[list[int], Meta(max_length=1)] = []


TOLD = {
    b'{"code":"12345"}': ("code", "format", "does not have the form that is asked for, such as 123456"),
    b'{"codes":["123456","x"]}': ("codes[1]", "format", "does not have the form that is asked for, such as 123456"),
    b'{"token":"b"}': ("token", "format", "does not have the form that is asked for"),
    b'{"token":""}': ("token", "length", "must have at least 1 character"),
    b'{"token":"aaaa"}': ("token", "length", "must have at most 3 characters"),
    b'{"few":[1,2]}': ("few", "length", "must have at most 1 entry"),
    b'{"token":7}': ("token", "type", "expected `str`, got `int`"),
}


def test_a_fault_is_told_in_words() -> None:
    for sent, (field, rule, message) in TOLD.items():
        with pytest.raises(InvalidRequest) as refused:
            decode_body(Sent, sent)
        assert refused.value.details == {"fields": [{"field": field, "rule": rule, "message": message}]}, sent
