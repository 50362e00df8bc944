"""SQLLog: one line for a statement that was slow or failed, and silence for the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from math import inf
from time import perf_counter
from typing import Any

from identry_kit.sqllog.caller import find_caller
from identry_kit.sqllog.fields import REDACTED, Names, Server, Statement
from identry_kit.sqllog.lines import LEVELS, Level, Lines
from identry_kit.sqllog.watch import Watch, watching


class SQLLog:
    """Watches SQLAlchemy engines (`attach`) and asyncpg connections (`attach_asyncpg`), and writes what matters.

    In this order, for each statement:

    1. it failed → `sql error` at error;
    2. it found nothing where one row was asked for, inside `watch()` → `sql not found` at debug, and nothing else
       (with `ignore_not_found=False` it is a `sql error`);
    3. it took longer than `slow_threshold` seconds, strictly → `slow sql query` at warning, with `slow_threshold_ms`;
    4. otherwise → `sql query` at debug.

    `level` says how far down that list is written (`info`: all of it), and debug lines also need a logger that lets
    them out. Fields: `elapsed_ms rows sql caller` and the request's id, or OpenTelemetry's names with `names="otel"`.
    `rows` is −1 when the driver does not count. A statement that was cancelled is no error: it is 3 or 4, with the
    field `error`.

    The text of a statement is written (`statements=False`: `[redacted]`), bound values never, unless
    `parameters=True`; then also the text of errors, because databases quote values in it.

    `slow_threshold` 0 means that nothing is slow. `clock` in seconds, for tests. It keeps nothing in memory.
    """

    def __init__(
        self,
        *,
        level: Level = "warn",
        slow_threshold: float = 0.2,
        ignore_not_found: bool = True,
        statements: bool = True,
        parameters: bool = False,
        names: Names = "kit",
        logger: logging.Logger | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        if level not in LEVELS:
            raise ValueError(f"level is one of {LEVELS}, not {level!r}")
        if names not in {"kit", "otel"}:
            raise ValueError(f"names is 'kit' or 'otel', not {names!r}")
        if not 0 <= slow_threshold < inf:
            raise ValueError("slow_threshold is a number of seconds, 0 or more")
        log = logger or logging.getLogger("identry_kit.sql")
        self._lines = Lines(LEVELS.index(level), slow_threshold, ignore_not_found, parameters, names, log)
        self._statements = statements
        self._parameters = parameters
        self._clock = clock
        self._hooks = self._engine_hooks()

    def attach(self, engine: Any) -> None:
        """Watch an `Engine` or `AsyncEngine`; a second time changes nothing. Needs the extra `sqlalchemy`.

        Attach it after any other listener for `do_execute` (there is hardly ever one): this one runs the statement.
        """
        event, target = _sqlalchemy_event(), getattr(engine, "sync_engine", engine)
        for name, hook in self._hooks.items():
            if not event.contains(target, name, hook):
                event.listen(target, name, hook)

    def detach(self, engine: Any) -> None:
        """Stop watching an engine; one that is not watched is left alone."""
        event, target = _sqlalchemy_event(), getattr(engine, "sync_engine", engine)
        for name, hook in self._hooks.items():
            if event.contains(target, name, hook):
                event.remove(target, name, hook)

    async def attach_asyncpg(self, connection: Any) -> None:
        """Watch an asyncpg connection: `asyncpg.create_pool(…, init=log.attach_asyncpg)`.

        asyncpg reports a query from its event loop, after the fact and without counting rows: `rows` is −1 and
        `caller` is empty. An engine on asyncpg is attached as an engine, not this way.
        """
        connection.add_query_logger(self._on_asyncpg)

    def detach_asyncpg(self, connection: Any) -> None:
        """Stop watching an asyncpg connection."""
        connection.remove_query_logger(self._on_asyncpg)

    def watch(self) -> AbstractContextManager[None]:
        """A block in which asking for one row and finding none is told as `sql not found`; works around awaits.

        SQLAlchemy has no event for it: the statement succeeded, and `NoResultFound` is raised later, by `Result.one()`
        or `Session.get_one()`. The exception goes on. A line about the block's last statement waits until it is known
        what became of it.
        """
        return Watch(self._lines)

    def _engine_hooks(self) -> dict[str, Callable[..., Any]]:
        """What SQLAlchemy calls for each statement: nearly always two readings of the clock and a comparison.

        These events stand in for the execution itself, so they do what SQLAlchemy would do, and return True. The events
        around it (`before_cursor_execute` …) would switch on those for whole constructs too, which costs every
        statement several times as much as all of this. The start is kept on the execution, for `_on_error`.
        """
        clock, limit, lines, watched = self._clock, self._lines.limit, self._lines, watching.get
        always = self._lines.rank == 3

        def ended(elapsed: float, cursor: Any, sql: str, parameters: Any, execution: Any) -> None:
            watch = watched()
            if elapsed <= limit and watch is None and not lines.verbose:
                return
            statement = self._statement(sql, elapsed, cursor.rowcount, parameters, execution.engine)
            line = lines.of_success(statement, find_caller)
            if watch is None or watch.lines is not lines:
                lines.write(line)
            else:
                watch.saw(statement, line)

        def execute(cursor: Any, sql: str, parameters: Any, execution: Any) -> bool:
            started = execution.identry_started = clock()
            execution.dialect.do_execute(cursor, sql, parameters, execution)
            elapsed = clock() - started
            if elapsed > limit or always or watched() is not None:
                ended(elapsed, cursor, sql, parameters, execution)
            return True

        def executemany(cursor: Any, sql: str, parameters: Any, execution: Any) -> bool:
            started = execution.identry_started = clock()
            execution.dialect.do_executemany(cursor, sql, parameters, execution)
            elapsed = clock() - started
            if elapsed > limit or always or watched() is not None:
                ended(elapsed, cursor, sql, parameters, execution)
            return True

        def execute_plain(cursor: Any, sql: str, execution: Any) -> bool:
            started = execution.identry_started = clock()
            execution.dialect.do_execute_no_params(cursor, sql, execution)
            elapsed = clock() - started
            if elapsed > limit or always or watched() is not None:
                ended(elapsed, cursor, sql, None, execution)
            return True

        return {
            "do_execute": execute,
            "do_executemany": executemany,
            "do_execute_no_params": execute_plain,
            "handle_error": self._on_error,
        }

    def _on_error(self, failure: Any) -> None:
        """SQLAlchemy's `handle_error` (`sqlalchemy.engine.ExceptionContext`)."""
        if failure.is_pre_ping:  # a connection that died in the pool; SQLAlchemy takes another
            return
        execution = failure.execution_context
        started = getattr(execution, "identry_started", None)
        elapsed = None if started is None else self._clock() - started
        sql = failure.statement or getattr(execution, "statement", None) or ""
        statement = self._statement(sql, elapsed, -1, failure.parameters, failure.engine)
        watch = watching.get()
        if watch is not None:
            watch.flush()
        self._lines.write(self._lines.of_failure(statement, failure.original_exception, find_caller))

    def _on_asyncpg(self, record: Any) -> None:
        """What asyncpg calls (`asyncpg.connection.LoggedQuery`; its `conn_params` hold the password)."""
        lines = self._lines
        if record.exception is None and record.elapsed <= lines.limit and not lines.verbose:
            return
        statement = self._statement(record.query, record.elapsed, -1, record.args or None, None)
        address, port = record.conn_addr if isinstance(record.conn_addr, tuple) else (record.conn_addr, None)
        statement = replace(statement, server=Server("postgresql", record.conn_params.database or "", address, port))
        if record.exception is None:
            lines.write(lines.of_success(statement, _nobody))
        else:
            lines.write(lines.of_failure(statement, record.exception, _nobody))

    def _statement(self, sql: str, elapsed: float | None, rows: int, parameters: Any, engine: Any) -> Statement:
        server = None if engine is None or self._lines.names == "kit" else Server.of_engine(engine)
        text = sql if self._statements or not sql else REDACTED
        return Statement(text, elapsed, rows, server, parameters if self._parameters else None)


def _nobody() -> None:
    """The caller that asyncpg cannot tell."""


def _sqlalchemy_event() -> Any:
    try:
        from sqlalchemy import event
    except ImportError as missing:
        raise ImportError("sqlalchemy is missing: pip install 'identry-kit[sqlalchemy]'") from missing
    return event
