"""msgspec types → component schemas."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect as types

Schema = dict[str, Any]
REF = "#/components/schemas/"
_WIRE_NAMES = {"MeView": "MeUser"}


class Schemas:
    """The schemas of every type that the operations mention.

    Args:
        requests: types that callers send. Unknown keys are ignored there, so these schemas stay open.
        replies: types that we send. Every field is always there and nothing else is, so these schemas are closed.
    """

    def __init__(self, requests: Iterable[Any], replies: Iterable[Any]) -> None:
        self._sent = _unique(requests)
        self._received = _unique(replies)
        everything = _unique([*self._sent, *self._received])
        found, components = msgspec.json.schema_components(everything, ref_template=REF + "{name}")
        names = {name: _wire_name(name) for name in components}
        if len(set(names.values())) < len(names):
            raise ValueError(f"two reply types share a name: {sorted(names)}")
        renamed: dict[str, Schema] = _rename(components, names)
        self.components = {names[name]: renamed[names[name]] for name in sorted(components, key=names.__getitem__)}
        self._found = dict(zip(everything, _rename(found, names), strict=True))
        self._may_lack: dict[str, set[str]] = {}
        for info in types.multi_type_info(everything):
            self._refine(info, set())
        self._close()

    def of(self, kind: Any) -> Schema:
        """The schema of one of the types given to the constructor."""
        return copy.deepcopy(self._found[kind])

    def fields(self, kind: Any) -> Iterator[tuple[str, Schema, bool]]:
        """(wire name, schema, required) of each field of a struct."""
        schema = self.resolve(self.of(kind))
        for name, field in schema["properties"].items():
            yield name, field, name in schema.get("required", ())

    def drop(self, kind: Any) -> None:
        """Leave out a struct that appears as parameters only."""
        self.components.pop(self._found[kind]["$ref"].removeprefix(REF), None)

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself, its reference followed."""
        return self.components[schema["$ref"].removeprefix(REF)] if "$ref" in schema else schema

    def _refine(self, info: types.Type, seen: set[type]) -> None:
        """Say what msgspec leaves out: every instant on our wire is RFC 3339, raw JSON is an object."""
        if isinstance(info, types.StructType):
            if info.cls in seen:
                return
            seen.add(info.cls)
            name = _wire_name(info.cls.__name__)
            if name not in self.components:
                raise ValueError(f"two types of the reference are called {name}; one is {info.cls.__module__}.{name}")
            component, self._may_lack[name] = self.components[name], set(_left_out(info.cls))
            for field in info.fields:
                _refine_field(field.type, component["properties"][field.encode_name])
                self._refine(field.type, seen)
        for inner in _inside(info):
            self._refine(inner, seen)

    def _close(self) -> None:
        open_names = self._reachable(self._sent)
        for name in self._reachable(self._received) - open_names:
            schema = self.components[name]
            if "properties" in schema:
                schema["additionalProperties"] = False
                schema["required"] = [field for field in schema["properties"] if field not in self._may_lack[name]]
                for field in schema["properties"].values():
                    field.pop("default", None)

    def _reachable(self, kinds: Iterable[Any]) -> set[str]:
        names: set[str] = set()
        todo: list[Any] = [self._found[kind] for kind in kinds]
        while todo:
            for name in _references(todo.pop()):
                if name not in names:
                    names.add(name)
                    todo.append(self.components[name])
        return names


def _left_out(struct: type[Any]) -> Iterator[str]:
    """Wire names of the fields that a reply may lack: `UNSET` ones, and defaults where those are not sent."""
    for field in msgspec.structs.fields(struct):
        if field.default is msgspec.UNSET or (struct.__struct_config__.omit_defaults and not field.required):
            yield field.encode_name


def _unique(kinds: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(kind for kind in kinds if kind is not None))


def _wire_name(name: str) -> str:
    """`UserView` is `User` on the wire (contracts/platform-api.md §3)."""
    return _WIRE_NAMES.get(name) or name.removesuffix("View")


def _rename(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            names.get(key, key): REF + names[item.removeprefix(REF)] if key == "$ref" else _rename(item, names)
            for key, item in value.items()
            if not (key == "title" and isinstance(item, str))
        }
    if isinstance(value, list | tuple):
        return [_rename(item, names) for item in value]
    return value


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "$ref":
                yield item.removeprefix(REF)
            else:
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _inside(info: types.Type) -> Iterator[types.Type]:
    """The types directly inside a container type."""
    for attribute in ("type", "item_type", "value_type"):
        inner = getattr(info, attribute, None)
        if isinstance(inner, types.Type):
            yield inner
    if isinstance(info, types.UnionType):
        yield from info.types


def _refine_field(info: types.Type, schema: Schema) -> None:
    if isinstance(info, types.Metadata):
        _refine_field(info.type, schema)
    elif isinstance(info, types.DateTimeType):
        schema.setdefault("format", "date-time")
    elif isinstance(info, types.RawType):
        schema.setdefault("type", "object")
    elif isinstance(info, types.UnionType):
        for inner, member in zip(info.types, schema.get("anyOf", [schema]), strict=False):
            _refine_field(inner, member)
    elif isinstance(info, types.ListType):
        _refine_field(info.item_type, schema.get("items", {}))
