"""contracts/kit.md §8: which line at which level, in the order of cases; on SQLite with a movable clock."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, bindparam, create_engine, insert, text
from sqlalchemy.exc import IntegrityError, OperationalError

from identry_kit import context
from identry_kit.sqllog import MAX_PARAMETER, MAX_SQL, SQLLog

Make = Callable[..., SQLLog]
TAKE = text("SELECT take(:seconds)")


def run(engine: Engine, seconds: float = 0.0) -> None:
    with engine.connect() as connection:
        connection.execute(TAKE, {"seconds": seconds}).all()


@pytest.mark.parametrize(
    ("seconds", "slow"), [(0.0, False), (0.125, False), (0.25, False), (0.25 + 2**-20, True), (2.0, True)]
)
def test_slow_is_strictly_over_the_threshold(
    sqlite: Engine, make_log: Make, lines: Any, seconds: float, slow: bool
) -> None:
    make_log().attach(sqlite)
    run(sqlite, seconds)
    assert lines.messages == ([("WARNING", "slow sql query")] if slow else [])


def test_a_slow_line_says_what_the_contract_says(sqlite: Engine, make_log: Make, lines: Any) -> None:
    make_log().attach(sqlite)
    run(sqlite, 0.5)
    fields = lines.fields()
    assert fields.pop("caller").startswith(f"{__file__}:")
    assert fields == {"elapsed_ms": 500.0, "rows": -1, "sql": "SELECT take(?)", "slow_threshold_ms": 250.0}


def test_a_threshold_of_zero_means_that_nothing_is_slow(sqlite: Engine, make_log: Make, lines: Any) -> None:
    make_log(slow_threshold=0).attach(sqlite)
    run(sqlite, 100)
    assert lines.messages == []


ERROR, SLOW, FAST = ("ERROR", "sql error"), ("WARNING", "slow sql query"), ("DEBUG", "sql query")


@pytest.mark.parametrize(
    ("level", "expected"),
    [("silent", []), ("error", [ERROR]), ("warn", [SLOW, ERROR]), ("info", [FAST, SLOW, ERROR])],
)
def test_levels(sqlite: Engine, make_log: Make, lines: Any, level: str, expected: list[tuple[str, str]]) -> None:
    make_log(level=level).attach(sqlite)
    run(sqlite)
    run(sqlite, 1)
    with pytest.raises(OperationalError), sqlite.connect() as connection:
        connection.execute(text("SELECT take(9), nothing FROM nowhere"))
    assert lines.messages == expected


def test_debug_lines_also_need_a_logger_that_lets_them_out(sqlite: Engine, make_log: Make, lines: Any) -> None:
    make_log(level="info").attach(sqlite)
    logging.getLogger("test.sql").setLevel(logging.INFO)
    run(sqlite)
    assert lines.messages == []


def test_an_error_is_an_error_however_slow(sqlite: Engine, make_log: Make, lines: Any) -> None:
    def fail(seconds: float) -> None:
        raise sqlite3.OperationalError

    make_log().attach(sqlite)
    with sqlite.connect() as connection:
        connection.connection.create_function("fail", 1, fail)
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT take(5), fail(1)")).all()
    assert lines.messages == [ERROR]
    fields = lines.fields()
    assert (fields["elapsed_ms"], fields["error"]) == (5000.0, "OperationalError")


def test_a_database_that_cannot_be_opened_is_an_error_without_a_statement(make_log: Make, lines: Any) -> None:
    engine = create_engine("sqlite:////nowhere/at/all.db")
    make_log().attach(engine)
    with pytest.raises(OperationalError):
        engine.connect()
    assert lines.messages == [ERROR]
    fields = lines.fields()
    assert fields.pop("caller").startswith(f"{__file__}:")
    assert fields == {"elapsed_ms": None, "rows": -1, "sql": "", "error": "OperationalError"}


SECRET = "canary-4711@example.com"


def break_unique(engine: Engine) -> None:
    insert = text("INSERT INTO people (email) VALUES (:email)")
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(insert, [{"email": SECRET}, {"email": SECRET}])


def test_no_bound_value_is_ever_written(sqlite: Engine, make_log: Make, lines: Any) -> None:
    make_log(level="info").attach(sqlite)
    break_unique(sqlite)
    with sqlite.connect() as connection:
        connection.execute(text("SELECT take(1), :secret"), {"secret": SECRET}).all()
    assert [message for _, message in lines.messages] == ["sql error", "slow sql query"]
    assert SECRET not in lines.everything


def test_values_are_written_when_asked_for_and_cut(sqlite: Engine, make_log: Make, lines: Any) -> None:
    make_log(level="info", parameters=True).attach(sqlite)
    break_unique(sqlite)
    assert lines.fields()["parameters"] == {"0": repr(SECRET)}
    assert "UNIQUE" in lines.fields()["error_text"]
    with sqlite.connect() as connection:
        connection.execute(text("SELECT :long"), {"long": "x" * 5000}).all()
        connection.exec_driver_sql("SELECT :name", {"name": 1}).all()
    assert len(lines.fields(-2)["parameters"]["0"]) == MAX_PARAMETER + 1
    assert lines.fields()["parameters"] == {"name": "1"}


def test_the_text_of_statements_may_be_kept_out(sqlite: Engine, make_log: Make, lines: Any) -> None:
    make_log(statements=False).attach(sqlite)
    run(sqlite, 1)
    assert lines.fields()["sql"] == "[redacted]"


def test_a_very_long_statement_is_cut(sqlite: Engine, make_log: Make, lines: Any) -> None:
    make_log(level="info").attach(sqlite)
    ids = text("SELECT * FROM people WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))
    with sqlite.connect() as connection:
        connection.execute(ids, {"ids": list(range(4_000))}).all()
    assert len(lines.fields()["sql"]) == MAX_SQL + 1


def test_rows_of_a_change_are_counted(sqlite: Engine, make_log: Make, lines: Any) -> None:
    make_log(level="info").attach(sqlite)
    with sqlite.connect() as connection:
        connection.execute(text("INSERT INTO people (email) VALUES (:e)"), [{"e": "a"}, {"e": "b"}, {"e": "c"}])
        assert lines.fields()["rows"] == 3
        connection.execute(text("UPDATE people SET email = email || '!' WHERE id < 3"))
        assert lines.fields()["rows"] == 2
        connection.execute(text("SELECT * FROM people")).all()
        assert lines.fields()["rows"] == -1, "sqlite3 does not count what it has not fetched"


def test_every_way_of_executing_is_seen(sqlite: Engine, make_log: Make, lines: Any) -> None:
    people = Table("people", MetaData(), Column("id", Integer, primary_key=True), Column("email", Text))
    make_log(level="info").attach(sqlite)
    with sqlite.connect() as connection:
        connection.execution_options(no_parameters=True).exec_driver_sql("SELECT take(1)").all()
        assert lines.messages == [SLOW]
        new = insert(people).returning(people.c.id)
        assert connection.execute(new, [{"email": name} for name in "abc"]).all() == [(1,), (2,), (3,)]
        assert lines.fields()["sql"].startswith("INSERT INTO people")
        connection.execute(insert(people), [{"email": name} for name in "def"])
        assert lines.fields()["rows"] == 3
    assert len(lines.records) == 3


def test_a_line_knows_its_request(sqlite: Engine, make_log: Make, lines: Any) -> None:
    make_log(level="info").attach(sqlite)
    with context.use(request_id="r1"):
        run(sqlite)
    assert lines.fields()["request_id"] == "r1"
    run(sqlite)
    assert "request_id" not in lines.fields()


def test_attached_twice_it_writes_once_and_detached_no_more(sqlite: Engine, make_log: Make, lines: Any) -> None:
    log = make_log()
    log.detach(sqlite)
    log.attach(sqlite)
    log.attach(sqlite)
    run(sqlite, 1)
    assert len(lines.records) == 1
    log.detach(sqlite)
    log.detach(sqlite)
    run(sqlite, 1)
    assert len(lines.records) == 1


@pytest.mark.parametrize(
    "options", [{"level": "debug"}, {"names": "own"}, {"slow_threshold": -1}, {"slow_threshold": float("nan")}]
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is"):
        SQLLog(**options)
