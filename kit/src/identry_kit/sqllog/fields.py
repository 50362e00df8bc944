"""What a line about a statement says, under the kit's names or OpenTelemetry's.

Names of the kit: contracts/kit.md §8. OpenTelemetry: semantic conventions for database client spans (stable since
1.33) and for code; where they have no name for a log line's value, the kit's stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from identry_kit.sqllog.caller import Caller

Names: TypeAlias = Literal["kit", "otel"]
"""Which names the fields have."""

MAX_SQL = 8192
"""Characters of a statement that a line shows."""
MAX_PARAMETER = 256
"""Characters of a bound value that a line shows, when asked to."""
MAX_PARAMETERS = 64

REDACTED = "[redacted]"
_OPERATION = re.compile(r"[\s(]*([A-Za-z]+)").match
_SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}


@dataclass(frozen=True, slots=True)
class Server:
    """Where a statement went, as far as known."""

    system: str
    namespace: str = ""
    address: str = ""
    port: int | None = None

    @classmethod
    def of_engine(cls, engine: Any) -> Server:
        """The server that an engine's URL names; never its user or password."""
        url = engine.url
        dialect = engine.dialect.name
        address = url.host or url.query.get("host") or ""
        if not isinstance(address, str):  # several hosts: nobody can say which one it was
            address = ""
        return cls(_SYSTEMS.get(dialect, dialect), url.database or "", address, url.port)

    def fields(self) -> dict[str, Any]:
        """Under OpenTelemetry's names; what is unknown is left out."""
        named = {
            "db.system.name": self.system,
            "db.namespace": self.namespace,
            "server.address": self.address,
            "server.port": self.port,
        }
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Statement:
    """One execution. `elapsed` in seconds, None when it never began; `rows` −1 when the driver does not say."""

    sql: str
    elapsed: float | None
    rows: int
    server: Server | None
    parameters: Any = None


def fields_of(statement: Statement, caller: Caller | None, names: Names) -> dict[str, Any]:
    """The fields that every line has."""
    elapsed_ms = None if statement.elapsed is None else round(statement.elapsed * 1000, 3)
    sql = statement.sql if len(statement.sql) <= MAX_SQL else statement.sql[:MAX_SQL] + "…"
    if names == "kit":
        line: dict[str, Any] = {"elapsed_ms": elapsed_ms, "rows": statement.rows, "sql": sql}
        line["caller"] = "" if caller is None else str(caller)
        if statement.parameters is not None:
            line["parameters"] = _shown(statement.parameters)
        return line
    line = {"elapsed_ms": elapsed_ms, "rows": statement.rows, "db.query.text": sql}
    if statement.server is not None:
        line |= statement.server.fields()
    operation = _OPERATION(statement.sql)
    if operation is not None:
        line["db.operation.name"] = operation[1].upper()
    if line.get("db.operation.name") == "SELECT" and statement.rows >= 0:
        line["db.response.returned_rows"] = statement.rows
    if caller is not None:
        line |= {"code.file.path": caller.path, "code.line.number": caller.line, "code.function.name": caller.function}
    if statement.parameters is not None:
        line |= {f"db.query.parameter.{key}": value for key, value in _shown(statement.parameters).items()}
    return line


def error_fields(error: BaseException, names: Names, *, text: bool) -> dict[str, Any]:
    """Which error it was: its type and SQLSTATE. Its text often quotes values, so it is there only when asked for."""
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if names == "kit":
        line: dict[str, Any] = {"error": type(error).__name__}
        if code:
            line["sqlstate"] = str(code)
    else:
        line = {"error.type": type(error).__name__}
        if code:
            line["db.response.status_code"] = str(code)
    if text:
        line["error_text" if names == "kit" else "exception.message"] = str(error)[:MAX_SQL]
    return line


def _shown(parameters: Any) -> dict[str, str]:
    """Bound values by name or position, each as a short text; of several sets the first."""
    if isinstance(parameters, Sequence) and parameters and isinstance(parameters[0], (Mapping, tuple, list)):
        parameters = parameters[0]
    if isinstance(parameters, Mapping):
        pairs = list(parameters.items())
    elif isinstance(parameters, (tuple, list)):
        pairs = list(enumerate(parameters))
    else:
        return {"0": _short(parameters)}
    return {str(key): _short(value) for key, value in pairs[:MAX_PARAMETERS]}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_PARAMETER else text[:MAX_PARAMETER] + "…"
