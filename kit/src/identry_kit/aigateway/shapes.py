"""An AI's object as a value of a Python type.

Dataclasses and TypedDicts are read here, in the small part of `typing` that JSON has. A `msgspec.Struct` and a
pydantic model know how to read themselves, so they do, in their strict modes; neither library is imported for it.

Source: contracts/kit.md §9, `into a type`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from collections.abc import Mapping
from enum import Enum
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from identry_kit.aigateway.errors import AIBadAnswer
from identry_kit.aigateway.objects import find_object

T = TypeVar("T")


def extract_json_into(text: str, shape: type[T]) -> T:
    """The first JSON object in `text` (see `extract_json`) as a `shape`.

    `shape` is a dataclass, a TypedDict, a `msgspec.Struct`, a pydantic model, or `dict[str, X]`. Keys that it does not
    know are ignored; missing ones take their default. Nothing is converted: a number in quotes is not a number.

    Fields of dataclasses and TypedDicts may be `str int float bool None Any object`, `list[X]`, `tuple[X, ...]`,
    `dict[str, X]`, `Literal`, an Enum of strings or numbers, unions of these, and dataclasses and TypedDicts again.

    Raises AIBadAnswer when there is no object, when one is missing a field that has no default, or holds another
    type; its text names the field, never the value. Raises TypeError when `shape` is none of the above.
    """
    found = find_object(text)
    try:
        value: T = _read_by_itself(found, shape) if _reads_itself(shape) else _convert(json.loads(found), shape, "$")
    except _Mismatch as error:
        raise AIBadAnswer(f"the JSON object is no {_name(shape)}: {error}") from None
    return value


class _Mismatch(Exception):
    """Where the object differs from the shape."""


def _reads_itself(shape: Any) -> bool:
    struct = getattr(sys.modules.get("msgspec"), "Struct", None)
    return isinstance(shape, type) and (
        hasattr(shape, "model_validate_json") or (struct is not None and issubclass(shape, struct))
    )


def _read_by_itself(found: str, shape: Any) -> Any:
    if hasattr(shape, "model_validate_json"):
        try:
            return shape.model_validate_json(found, strict=True)
        except ValueError as error:  # pydantic.ValidationError is one, and so is that of text that UTF-8 cannot hold
            problems = error.errors(include_input=False) if hasattr(error, "errors") else []
            where = "; ".join(f"{'.'.join(('$', *map(str, one['loc'])))}: {one['type']}" for one in problems[:5])
            raise _Mismatch(where or "its text is no Unicode") from None
    msgspec = sys.modules["msgspec"]
    try:
        return msgspec.json.decode(found.encode("utf-8", "surrogatepass"), type=shape)
    except (msgspec.DecodeError, UnicodeError) as error:
        path = str(error).rpartition(" - at ")[2].strip("`") if " - at " in str(error) else "$"
        raise _Mismatch(f"{path}: not what its type allows") from None


def _convert(value: Any, shape: Any, path: str) -> Any:
    """`value`, as `json` reads it, as a `shape`."""
    if shape is Any or shape is object:
        return value
    if shape is None or shape is types.NoneType:
        return value if value is None else _fail(path, "null")
    origin = get_origin(shape)
    if origin in {Required, NotRequired, Annotated}:
        return _convert(value, get_args(shape)[0], path)
    if origin in {Union, types.UnionType}:
        return _one_of(value, get_args(shape), path)
    if origin is Literal:
        choices = [choice for choice in get_args(shape) if choice == value and type(choice) is type(value)]
        return choices[0] if choices else _fail(path, "one of its literals")
    if shape is list or origin is list:
        items = get_args(shape) or (Any,)
        found = value if isinstance(value, list) else _fail(path, "an array")
        return [_convert(item, items[0], f"{path}[{at}]") for at, item in enumerate(found)]
    if origin is tuple and get_args(shape)[1:] == (...,):
        return tuple(_convert(value, list[get_args(shape)[0]], path))  # type: ignore[misc]  # a type made at run time
    if shape is dict or origin is dict:
        keys, items_of = get_args(shape) or (str, Any)
        found = value if isinstance(value, dict) and keys is str else _fail(path, "an object")
        return {key: _convert(item, items_of, f"{path}.*") for key, item in found.items()}
    if not isinstance(shape, type):
        raise TypeError(f"{path}: cannot read JSON into {shape!r}")
    if shape in {str, int, bool}:
        return value if type(value) is shape else _fail(path, shape.__name__)
    if shape is float:
        return float(value) if type(value) in {int, float} else _fail(path, "float")
    return _convert_class(value, shape, path)


def _convert_class(value: Any, shape: type[Any], path: str) -> Any:
    if issubclass(shape, Enum):
        for member in shape:
            if member.value == value and type(member.value) is type(value):
                return member
        return _fail(path, f"a {shape.__name__}")
    if is_typeddict(shape):
        return _typed_dict(_object(value, path), shape, path)
    if dataclasses.is_dataclass(shape):
        return _dataclass(_object(value, path), shape, path)
    raise TypeError(f"{path}: cannot read JSON into {shape!r}; a dataclass, TypedDict, Struct or pydantic model can be")


def _dataclass(value: Mapping[str, Any], shape: Any, path: str) -> Any:
    hints = get_type_hints(shape)
    arguments: dict[str, Any] = {}
    for one in dataclasses.fields(shape):
        if not one.init:
            continue
        if one.name in value:
            arguments[one.name] = _convert(value[one.name], hints[one.name], f"{path}.{one.name}")
        elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            _fail(f"{path}.{one.name}", "a value: it is missing")
    try:
        return shape(**arguments)
    except (TypeError, ValueError):  # its __post_init__ refuses; that text may hold the value
        return _fail(path, f"a valid {shape.__name__}")


def _typed_dict(value: Mapping[str, Any], shape: Any, path: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, hint in get_type_hints(shape, include_extras=True).items():
        if name in value:
            result[name] = _convert(value[name], hint, f"{path}.{name}")
        elif get_origin(hint) is not NotRequired and (get_origin(hint) is Required or name in shape.__required_keys__):
            _fail(f"{path}.{name}", "a value: it is missing")
    return result


def _one_of(value: Any, shapes: tuple[Any, ...], path: str) -> Any:
    """The first member of a union that fits; for `int | float` the exact one, whatever the order."""
    for shape in sorted(shapes, key=lambda shape: shape is float):
        try:
            return _convert(value, shape, path)
        except _Mismatch:
            continue
    return _fail(path, " or ".join(_name(shape) for shape in shapes))


def _object(value: Any, path: str) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _fail(path, "an object")


def _name(shape: Any) -> str:
    return shape.__name__ if isinstance(shape, type) else str(shape)


def _fail(path: str, wanted: str) -> Any:
    """Never returns; the annotation lets it stand where a value would."""
    raise _Mismatch(f"{path[:200]} is not {wanted}")
