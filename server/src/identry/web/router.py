"""Dispatch: an exact path is one dictionary look-up, a path with parameters one regular expression of its prefix group.

Paths are matched exactly as the server hands them over, percent-escapes read once (no case folding, no slash merging,
no further decoding), so what a guard protects is what a handler serves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from re import Pattern
from typing import Any

from starlette.convertors import Convertor
from starlette.routing import compile_path

from identry.web.endpoint import Endpoint
from identry_kit.apierror import MethodNotAllowed, NotFound, Receive, Scope, Send


class UnknownRoute(NotFound):
    """404: nothing is mounted here."""

    message = "no such route"


class Router:
    """Method and path → endpoint. Raises what the error edge turns into 404 and 405."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._static: dict[str, dict[str, Endpoint]] = {}
        dynamic: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            operation = endpoint.operation
            table = dynamic if "{" in operation.path else self._static
            methods = table.setdefault(operation.path, {})
            if operation.method in methods:
                raise ValueError(f"mounted twice: {operation.method} {operation.path}")
            methods[operation.method] = endpoint
            if operation.method == "GET":
                methods.setdefault("HEAD", endpoint)
        self._dynamic: list[tuple[Pattern[str], dict[str, Convertor[Any]], dict[str, Endpoint]]] = []
        for path, methods in sorted(dynamic.items()):
            # `{id:uuid}` is matched as any segment, so that a malformed id is a clear 400 and not a 404; it is read
            # after the guard (`Endpoint`), as `{id:number}` is (`web.app_reach`).
            pattern, _, convertors = compile_path(path.replace(":uuid}", "}").replace(":number}", "}"))
            self._dynamic.append((pattern, convertors, methods))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Run the endpoint of the request. (Hands its coroutine back instead of being one: a frame less to resume.)"""
        path = scope["path"]
        methods = self._static.get(path)
        params: dict[str, Any] = {}
        if methods is None:
            methods, params = self._match(path)
        endpoint = methods.get(scope["method"])
        if endpoint is None:
            raise MethodNotAllowed(headers={"Allow": ", ".join(sorted(methods))})
        return endpoint(scope, receive, send, params)

    def _match(self, path: str) -> tuple[dict[str, Endpoint], dict[str, Any]]:
        for pattern, _, methods in self._dynamic:
            if found := pattern.match(path):
                return methods, found.groupdict()
        raise UnknownRoute
