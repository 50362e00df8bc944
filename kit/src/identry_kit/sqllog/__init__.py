"""SQL statements in the log: the slow ones and the failed ones, without their values.

`SQLLog` watches SQLAlchemy engines, sync and async, and asyncpg connections. `fields` has what a line says, `caller`
who sent the statement. Nothing is imported until something is attached; engines need the extra `sqlalchemy`.

Source: third seed, package `gormlogger`; contracts/kit.md §8.
"""

from identry_kit.sqllog.fields import MAX_PARAMETER, MAX_SQL, Names
from identry_kit.sqllog.lines import Level
from identry_kit.sqllog.log import SQLLog

__all__ = ["MAX_PARAMETER", "MAX_SQL", "Level", "Names", "SQLLog"]
