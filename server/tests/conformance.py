"""Every answer that any test receives is held against the reference: its status, its media type, its shape.

A field that a schema does not name, a code that an operation does not list, a status that nobody documented: the test
that meets it fails, whatever it was about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import jsonschema_rs

from identry.web.call import Call
from identry.web.openapi import document
from identry.web.operations import Operation


async def _nothing(_: Call) -> None:
    """Stands for every handler: the reference does not tell who serves an operation."""


@dataclass
class _Described:
    """What a table of operations says; applications with the same table share it, because it takes a while to make."""

    listed: list[Operation]
    document: dict[str, Any]
    validators: dict[tuple[str, str, int], Any] = field(default_factory=dict)


_known: list[_Described] = []


def _described(operations: Iterable[Operation]) -> _Described:
    listed = [replace(operation, handler=_nothing) for operation in operations if not operation.hidden]
    for described in _known:
        if described.listed == listed:
            return described
    _known.append(_Described(listed, document(listed, version="test")))
    return _known[-1]


class Conformance:
    """The reference of an application as a check on its answers; give `check` to a client as its response hook."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        described = _described(operations)
        self._document, self._validators, paths = described.document, described.validators, described.document["paths"]
        self._exact = {path for path in paths if "{" not in path}
        self._patterns = {path: re.compile(re.sub(r"{\w+}", "[^/]+", path)) for path in paths if "{" in path}

    async def check(self, response: httpx2.Response) -> None:
        """Fail when the reference does not describe this answer."""
        request = response.request
        path = self._template(request.url.path)
        if path is None or request.method not in {"GET", "POST", "PUT", "PATCH", "DELETE"}:
            return
        await response.aread()
        where = f"{request.method} {path} answered {response.status_code}"
        described = self._document["paths"][path].get(request.method.lower())
        if described is None:
            assert response.status_code == 405, where
            return
        found = described["responses"].get(str(response.status_code))
        assert found is not None, f"{where}, which the reference does not list: {response.text[:300]}"
        content = self._resolve(found).get("content")
        if content is None:
            assert response.content == b"", where
            return
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in content, f"{where} with {media_type}"
        if media_type == "application/json":
            key = (request.method, path, response.status_code)
            if key not in self._validators:
                self._validators[key] = self._validator(content[media_type]["schema"])
            faults = [f"{e.instance_path}: {e.message}" for e in self._validators[key].iter_errors(response.json())]
            assert not faults, f"{where}, not as described: {faults}: {response.text[:600]}"

    def _template(self, path: str) -> str | None:
        if path in self._exact:
            return path
        return next((name for name, pattern in self._patterns.items() if pattern.fullmatch(path)), None)

    def _resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        return self._document["components"]["responses"][node["$ref"].rpartition("/")[2]]

    def _validator(self, schema: dict[str, Any]) -> Any:
        needed: dict[str, Any] = {}
        self._collect(schema, needed)
        whole = {**schema, "components": {"schemas": needed}}
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)

    def _collect(self, node: Any, needed: dict[str, Any]) -> None:
        """Every schema that a schema leads to: to read all of the reference again for each answer takes ten times as
        long."""
        if isinstance(node, list):
            for item in node:
                self._collect(item, needed)
        elif isinstance(node, dict):
            if isinstance(ref := node.get("$ref"), str):
                kind, _, name = ref.removeprefix("#/components/").partition("/")
                assert kind == "schemas", ref
                if name not in needed:
                    needed[name] = self._document["components"]["schemas"][name]
                    self._collect(needed[name], needed)
            for item in node.values():
                self._collect(item, needed)
