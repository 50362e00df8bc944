"""Which line is written about a statement, if any. The order of cases is that of contracts/kit.md §8."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, TypeAlias

from identry_kit import context
from identry_kit.sqllog.caller import Caller, find_raiser
from identry_kit.sqllog.fields import Names, Statement, error_fields, fields_of

Level: TypeAlias = Literal["silent", "error", "warn", "info"]
"""What is written: nothing; errors; slow statements too; every statement too (at debug)."""

LEVELS = ("silent", "error", "warn", "info")
Line: TypeAlias = tuple[int, str, dict[str, Any]]
"""Level, message and fields of a log line."""
Finder: TypeAlias = Callable[[], Caller | None]
"""Looks for the caller; asked only when there is a line to write."""


@dataclass(slots=True)
class Lines:
    """The settings of a `SQLLog`, and the lines that follow from them."""

    rank: int
    threshold: float
    ignore_not_found: bool
    error_texts: bool
    names: Names
    log: logging.Logger

    @property
    def limit(self) -> float:
        """Seconds above which a statement is slow; infinite when that is not written."""
        return self.threshold if self.threshold and self.rank >= 2 else inf

    @property
    def verbose(self) -> bool:
        """Whether every statement has a line."""
        return self.rank == 3 and self.log.isEnabledFor(logging.DEBUG)

    def of_success(self, statement: Statement, who: Finder, error: BaseException | None = None) -> Line | None:
        """A statement that did not fail (or was cancelled: `error`)."""
        if statement.elapsed is not None and statement.elapsed > self.limit:
            fields = self._fields(statement, who(), error)
            fields["slow_threshold_ms"] = round(self.threshold * 1000, 3)
            return logging.WARNING, "slow sql query", fields
        if self.verbose:
            return logging.DEBUG, "sql query", self._fields(statement, who(), error)
        return None

    def of_failure(self, statement: Statement, error: BaseException, who: Finder) -> Line | None:
        """A statement that failed. A cancelled one did not: somebody lost patience with it."""
        if isinstance(error, asyncio.CancelledError):
            return self.of_success(statement, who, error)
        return (logging.ERROR, "sql error", self._fields(statement, who(), error)) if self.rank >= 1 else None

    def of_not_found(self, statement: Statement, error: BaseException) -> Line | None:
        """One row was asked for and there was none."""
        raiser = find_raiser(error.__traceback__)
        if not self.ignore_not_found:
            return self.of_failure(statement, error, lambda: raiser)
        return (logging.DEBUG, "sql not found", self._fields(statement, raiser)) if self.verbose else None

    def write(self, line: Line | None) -> None:
        """Write a line, if there is one."""
        if line is not None:
            level, message, fields = line
            self.log.log(level, message, extra=fields)

    def _fields(
        self, statement: Statement, caller: Caller | None, error: BaseException | None = None
    ) -> dict[str, Any]:
        fields = fields_of(statement, caller, self.names)
        if error is not None:
            fields |= error_fields(error, self.names, text=self.error_texts)
        request_id = context.request_id()
        if request_id:
            fields["request_id"] = request_id
        return fields
