"""contracts/kit.md §10, rows `key` and `Value`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import every

from identry_kit.narration import Narration, cache_key


class Colour(Enum):
    RED = "red"


class Size(StrEnum):
    LARGE = "l"


@dataclass
class Report:
    title: str
    tags: set[str]
    colour: Colour = Colour.RED


class Struct(msgspec.Struct):
    a: int
    b: list[int]


class Model(pydantic.BaseModel):
    a: int
    b: list[int]


def test_a_key_is_the_feature_the_role_and_sixteen_digits_of_the_hash_of_canonical_json() -> None:
    digest = sha256('{"a":[1,2.5,null,true],"b":"é"}'.encode()).hexdigest()[:16]
    assert cache_key("plan", "viewer", {"b": "é", "a": [1, 2.5, None, True]}) == f"plan:viewer:{digest}"


@pytest.mark.parametrize(("feature", "role", "start"), [("", "r", "unknown:r:"), ("f", "", "f:unknown:")])
def test_an_empty_part_is_unknown(feature: str, role: str, start: str) -> None:
    assert cache_key(feature, role, {}).startswith(start)


def test_no_two_pairs_of_feature_and_role_share_a_key() -> None:
    parts = ["a", "a:b", "b", "b:c", "%3A", ":", "a%3Ab", "%"]
    assert len({cache_key(feature, role, 1) for feature in parts for role in parts}) == len(parts) ** 2


@every(
    ("value", "same"),
    [
        (OrderedDict(b=1, a=2), {"a": 2, "b": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Report("t", {"y", "x"}), {"title": "t", "tags": ["x", "y"], "colour": "red"}),
        (Struct(1, [2]), {"a": 1, "b": [2]}),
        (Model(a=1, b=[2]), {"a": 1, "b": [2]}),
        (frozenset({(1, 2), (0,)}), [[0], [1, 2]]),
        (UUID(int=1), str(UUID(int=1))),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        ([datetime(2026, 1, 2, tzinfo=UTC).date(), Decimal("1.50"), Size.LARGE], ["2026-01-02", "1.50", "l"]),
        ((1, 2), [1, 2]),
    ],
)
def test_what_json_does_not_know_is_written_as_what_stands_for_it(value: Any, same: Any) -> None:
    assert cache_key("f", "r", value) == cache_key("f", "r", same)


def circle() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


def deep() -> list[Any]:
    inside: list[Any] = []
    for _ in range(20_000):
        inside = [inside]
    return inside


@every(
    "value",
    [object(), float("nan"), {1: float("inf")}, circle(), deep(), {"x": b"bytes"}, {1: 1, "a": 1}, "\ud800", Report],
)
def test_what_has_no_canonical_form_gets_a_key_of_its_own(value: Any) -> None:
    first, second = cache_key("f", "r", value), cache_key("f", "r", value)
    assert first.startswith("err:uncacheable:")
    assert first.removeprefix("err:uncacheable:").isdigit()
    assert first != second


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=6), st.randoms())
def test_the_order_of_insertion_does_not_matter(value: dict[str, Any], random: Any) -> None:
    names = list(value)
    random.shuffle(names)
    assert cache_key("f", "r", value) == cache_key("f", "r", {name: value[name] for name in names})


def test_another_process_with_another_hash_seed_makes_the_same_key() -> None:
    code = (
        "from identry_kit.narration import cache_key\n"
        "print(cache_key('f', 'r', {'tags': {'a', 'b', 'c', 'd'}, 'z': {'y': 1, 'x': {2.5, 'é'}}}))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "4242")
    }
    here = cache_key("f", "r", {"z": {"x": {"é", 2.5}, "y": 1}, "tags": {"d", "c", "b", "a"}})
    assert keys == {f"{here}\n".encode()}


class TestNarration:
    def test_it_is_a_frozen_copy_all_the_way_down(self) -> None:
        metadata = {"model": "m", "tokens": [1, {"deep": [2]}]}
        narration = Narration("text", metadata)
        metadata["tokens"][1]["deep"].append(3)  # type: ignore[index]  # a test's own dictionary
        metadata["model"] = "other"
        assert narration.as_dict() == {"narrative": "text", "metadata": {"model": "m", "tokens": [1, {"deep": [2]}]}}
        with pytest.raises(TypeError):
            narration.metadata["model"] = "other"  # type: ignore[index]  # that is the point
        with pytest.raises(TypeError):
            narration.metadata["tokens"][1]["deep"] = 1
        with pytest.raises(AttributeError):
            narration.narrative = "other"  # type: ignore[misc]  # that is the point

    def test_its_copies_are_the_readers_own(self) -> None:
        narration = Narration("text", {"list": [1]})
        narration.as_dict()["metadata"]["list"].append(2)
        assert narration.as_dict()["metadata"] == {"list": [1]}

    def test_no_metadata_is_left_out(self) -> None:
        assert Narration("text").as_dict() == {"narrative": "text"}

    @settings(max_examples=25, deadline=None)
    @given(st.text(), st.dictionaries(st.text(max_size=5), PLAIN, max_size=4))
    def test_json_and_back_is_the_same(self, narrative: str, metadata: dict[str, Any]) -> None:
        narration = Narration(narrative, metadata)
        assert Narration.from_json(narration.to_json()) == narration
        assert narration.to_json().isascii()

    @every("metadata", [{"a": object()}, {1: "a"}, [1], {"a": {1, 2}}, {"a": b""}])
    def test_what_json_has_not_is_a_type_error(self, metadata: Any) -> None:
        with pytest.raises(TypeError):
            Narration("t", metadata)
        with pytest.raises(TypeError):
            Narration(b"t")  # type: ignore[arg-type]  # that is the point

    @pytest.mark.parametrize("metadata", [{"a": float("nan")}, {"a": deep()}])
    def test_numbers_and_depths_that_json_has_not_are_a_value_error(self, metadata: Any) -> None:
        with pytest.raises(ValueError, match="metadata"):
            Narration("t", metadata)

    @every("text", ["", "{}", "[]", "null", '{"narrative":1}', '{"narrative":"a","metadata":[1]}', "[" * 9999])
    def test_other_text_is_no_narration(self, text: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - json's own text, or ours
            Narration.from_json(text)
