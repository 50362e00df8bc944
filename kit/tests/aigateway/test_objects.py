"""contracts/kit.md §9, `extract_json`: against a slow reader that cannot be wrong, and against what would be slow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import every

from identry_kit.aigateway import AIBadAnswer, extract_json
from identry_kit.aigateway import objects as module


@every(
    ("text", "expected"),
    [
        ('{"a":1}', {"a": 1}),
        ('Sure! Here it is: {"a":1} I hope it helps.', {"a": 1}),
        ('```json\n{\n  "a": [1, 2]\n}\n```', {"a": [1, 2]}),
        ('{"a":{"b":{"c":{}}}}', {"a": {"b": {"c": {}}}}),
        ('{"a":"} not yet {","b":"\\"}"}', {"a": "} not yet {", "b": '"}'}),
        ('{"first":1} {"second":2}', {"first": 1}),
        ('use { to open: {"a":1}', {"a": 1}),
        ('{ "unbalanced {"a":1}', {"a": 1}),
        ('{"a":1} } }', {"a": 1}),
        ('} {"a":1}', {"a": 1}),
        ('[1, {"a":1}, 2]', {"a": 1}),
        ('{"broken": {"a":1}', {"a": 1}),
        ('{"trailing":1,} {"a":1}', {"a": 1}),
        ("{'single':1} {\"a\":1}", {"a": 1}),
        ('{"n":NaN} {"a":1}', {"a": 1}),
        ('{"n":1e999} {"a":1}', {"a": 1}),
        ('{"n":' + "9" * 5000 + '} {"a":1}', {"a": 1}),
        ('{"n":' + "1" * 300 + "}", {"n": int("1" * 300)}),
        ('{"line\nbreak":1} {"a":1}', {"a": 1}),
        ('{"a":1,"a":2}', {"a": 2}),
        ("\ufeff{}", {}),
        ('{"é":"\\u00e9\\ud83d\\ude00"}', {"é": "é😀"}),
    ],
)
def test_the_first_complete_object_is_found(text: str, expected: Any) -> None:
    assert extract_json(text) == expected


@every(
    "text",
    ["", "no object", "}{", "{", "[1,2]", '{"a":1', '{"a":NaN}', '{"a":-Infinity}', "{'a':1}", '{"a":1,}', "{,}",
     '{"a"}', '{"a":01}', '{"a":+1}', '{"a":.5}', '{"a":tru}', '{a:1}', '{"a":1]', '{"a" 1}', '{"\\x":1}',
     '{"a":"\\ud8"}', '{"a":"\t"}'],
)  # fmt: skip
def test_nothing_else_is_an_object(text: str) -> None:
    with pytest.raises(AIBadAnswer, match=r"^no valid JSON object found$"):
        extract_json(text)


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def test_a_hundred_levels_are_read_and_of_more_the_inner_hundred() -> None:
    assert extract_json(nested(100)) == json.loads(nested(100))
    assert extract_json(nested(5000)) == json.loads(nested(100))
    with pytest.raises(AIBadAnswer):
        extract_json('{"a":' + "[" * 100 + "]" * 100 + "}")


def test_the_length_is_bounded_in_bytes() -> None:
    limit = module.MAX_TEXT
    assert extract_json('{"a":1}'.ljust(limit)) == {"a": 1}
    for text in ('{"a":1}'.ljust(limit + 1), '{"a":"' + "é" * (limit // 2) + '"}'):
        with pytest.raises(AIBadAnswer, match="1 MiB"):
            extract_json(text)


def slowly(text: str) -> str | None:
    """From each `{` in turn, with Python's own reader."""

    def refuse(_: str) -> None:
        raise ValueError

    decoder = json.JSONDecoder(parse_constant=refuse)
    for at in range(len(text)):
        if text[at] == "{":
            try:
                value, end = decoder.raw_decode(text, at)
            except ValueError:
                continue
            if depth(value) <= module.MAX_DEPTH:
                return text[at:end]
    return None


def depth(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(depth, inside), default=0)


def quickly(text: str) -> str | None:
    try:
        return module.find_object(text)
    except AIBadAnswer:
        return None


PIECES = [
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    "\\",
    '"a"',
    '"a":',
    '{"a":',
    "1",
    "-0.5e3",
    "true",
    "x",
    " ",
    "\n",
    '\\"',
    "{}",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
def test_it_finds_what_the_slow_reader_finds_in_anything(text: str) -> None:
    assert quickly(text) == slowly(text)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=20), st.dictionaries(st.text(max_size=4), VALUES, max_size=4), st.text(max_size=20))
def test_it_finds_what_the_slow_reader_finds_in_prose(before: str, value: Any, after: str) -> None:
    text = before + json.dumps(value) + after
    assert quickly(text) == slowly(text)
    assert "{" in before or extract_json(text) == value


@pytest.mark.parametrize(
    "unit",
    ["{", '{"a":', '{"', '{":', '{"a":["{",', '{"a":[{},', '{"a":[', '\\"{', '{"a":"{\\"', "{ ", '{"a":1,', "[{"],
)
def test_hostile_text_is_read_at_most_twice(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted, not timed: what the scanner's patterns are asked to look at, from any one place."""
    looked: dict[int, int] = {}

    def counting(match: Any) -> Any:
        def count(text: str, at: int) -> Any:
            looked[at] = looked.get(at, 0) + 1
            return match(text, at)

        return count

    for name in ("_key", "_open", "_scalar", "_after"):
        monkeypatch.setattr(module, name, counting(getattr(module, name)))
    text = unit * (30_000 // len(unit))
    quickly(text)
    assert sum(looked.values()) <= 4 * 2 * (len(text) + 1)
    assert max(looked.values()) <= 4 * 2
