"""contracts/kit.md §9, `into a type`: the same promises for all four kinds of type."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pydantic
import pytest
from rows import every

from identry_kit.aigateway import AIBadAnswer, extract_json_into


@dataclass(frozen=True)
class Line:
    sku: str
    count: int = 1


@dataclass
class Data:
    title: str
    lines: list[Line] = field(default_factory=list)
    score: float | None = None


class Struct(msgspec.Struct):
    title: str
    lines: list[Line] = []
    score: float | None = None


class Model(pydantic.BaseModel):
    title: str
    lines: list[Line] = []
    score: float | None = None


class Typed(TypedDict):
    title: str
    lines: NotRequired[list[Line]]
    score: NotRequired[float | None]


SHAPES = pytest.mark.parametrize("shape", [Data, Struct, Model, Typed])


def into(value: Any, shape: Any) -> Any:
    return extract_json_into(f"Here you are:\n```json\n{json.dumps(value)}\n```", shape)


def attribute(value: Any, name: str) -> Any:
    return value[name] if isinstance(value, dict) else getattr(value, name)


@SHAPES
def test_an_object_becomes_a_value_of_the_type(shape: Any) -> None:
    value = into({"title": "t", "lines": [{"sku": "a", "count": 2}, {"sku": "b"}], "score": 1}, shape)
    assert isinstance(value, dict if shape is Typed else shape)
    assert attribute(value, "lines") == [Line("a", 2), Line("b")]
    assert attribute(value, "score") == 1.0
    assert isinstance(attribute(value, "score"), float)


@SHAPES
def test_unknown_keys_are_ignored_and_missing_ones_take_their_default(shape: Any) -> None:
    value = into({"title": "t", "invented": {"by": "the model"}}, shape)
    assert attribute(value, "title") == "t"
    assert shape is Typed or attribute(value, "lines") == []
    assert "invented" not in (value if shape is Typed else dir(value))


@SHAPES
@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({}, "title"),
        ({"title": 7}, "title"),
        ({"title": None}, "title"),
        ({"title": "t", "score": "1.5"}, "score"),
        ({"title": "t", "lines": {"sku": "secret"}}, "lines"),
        ({"title": "t", "lines": [{"sku": "a", "count": "2secret"}]}, "count"),
        ({"title": "t", "lines": [{"sku": "a", "count": True}]}, "count"),
    ],
)
def test_another_type_is_an_error_that_names_the_field_and_not_the_value(shape: Any, value: Any, named: str) -> None:
    with pytest.raises(AIBadAnswer, match=f"the JSON object is no {shape.__name__}: .*") as caught:
        into(value, shape)
    assert shape is Struct or named in str(caught.value)  # msgspec names the object that lacks a field
    assert "secret" not in str(caught.value)
    assert caught.value.status == 502


@SHAPES
def test_no_object_at_all_is_the_same_error(shape: Any) -> None:
    with pytest.raises(AIBadAnswer, match="no valid JSON object found"):
        extract_json_into("I cannot help with that.", shape)


@SHAPES
def test_text_that_is_no_unicode_is_refused_or_read_but_never_breaks(shape: Any) -> None:
    for text in ('{"title":"\ud800"}', '{"title":"\\ud800"}'):
        try:
            assert attribute(extract_json_into(text, shape), "title") == "\ud800"
        except AIBadAnswer:
            assert shape in {Struct, Model}


class Mood(Enum):
    GOOD = "good"
    ONE = 1


@dataclass
class Wide:
    literal: Literal["a", 1, None] = None
    enum: Mood = Mood.GOOD
    either: int | str | list[int] = 0
    number: float | int = 0
    anything: Any = None
    thing: object = None
    nothing: None = None
    table: dict[str, Line] = field(default_factory=dict)
    plain: dict = field(default_factory=dict)  # type: ignore[type-arg]  # bare on purpose
    several: tuple[int, ...] = ()
    noted: Annotated[int, "note"] = 0
    own: int = field(default=3, init=False)


@every(
    ("value", "expected"),
    [
        ({"literal": "a"}, "a"),
        ({"literal": 1}, 1),
        ({"enum": "good"}, Mood.GOOD),
        ({"enum": 1}, Mood.ONE),
        ({"either": [1]}, [1]),
        ({"either": "x"}, "x"),
        ({"number": 1}, 1),
        ({"number": 1.5}, 1.5),
        ({"anything": [{"x": 1}]}, [{"x": 1}]),
        ({"thing": 1}, 1),
        ({"nothing": None}, None),
        ({"table": {"k": {"sku": "a"}}}, {"k": Line("a")}),
        ({"plain": {"k": 1}}, {"k": 1}),
        ({"several": [1, 2]}, (1, 2)),
        ({"noted": 1}, 1),
        ({"own": 9}, 3),
    ],
)
def test_what_a_dataclass_field_may_be(value: dict[str, Any], expected: Any) -> None:
    result = getattr(into(value, Wide), next(iter(value)))
    assert (result, type(result)) == (expected, type(expected))


@every(
    "value",
    [{"literal": True}, {"literal": "b"}, {"enum": True}, {"enum": "bad"}, {"either": None}, {"number": True},
     {"nothing": 0}, {"table": {"secret": 1}}, {"table": []}, {"several": ["x"]}, {"several": 1}, {"noted": "x"}],
)  # fmt: skip
def test_what_a_dataclass_field_may_not_be(value: dict[str, Any]) -> None:
    with pytest.raises(AIBadAnswer, match=next(iter(value))) as caught:
        into(value, Wide)
    assert "secret" not in str(caught.value)


def test_a_dict_is_a_shape_too() -> None:
    assert into({"a": 1}, dict[str, int]) == {"a": 1}
    assert into({"a": 1}, dict) == {"a": 1}
    with pytest.raises(AIBadAnswer):
        into({"a": "x"}, dict[str, int])


def test_a_class_that_refuses_its_values_makes_a_bad_answer() -> None:
    @dataclass
    class Positive:
        number: int

        def __post_init__(self) -> None:
            if self.number < 0:
                raise ValueError(f"secret {self.number}")

    with pytest.raises(AIBadAnswer, match="not a valid Positive") as caught:
        into({"number": -1}, Positive)
    assert "secret" not in str(caught.value)


@every("shape", [int, str, bytes, complex, set[int]])
def test_a_type_that_json_has_no_word_for_is_the_programmers_mistake(shape: Any) -> None:
    holder = dataclasses.make_dataclass("Holder", [("x", shape)])
    if shape in {int, str}:
        with pytest.raises(AIBadAnswer):
            into({"x": 1}, shape)
    else:
        with pytest.raises(TypeError, match="cannot read JSON"):
            into({"x": 1}, holder)
