"""contracts/kit.md §8: one row was asked for and there was none; `SQLLog.watch`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import NoResultFound, OperationalError

from identry_kit.sqllog import SQLLog

Make = Callable[..., SQLLog]
TAKE = text("SELECT take(:seconds)")
ERROR, SLOW, FAST = ("ERROR", "sql error"), ("WARNING", "slow sql query"), ("DEBUG", "sql query")


def run(engine: Engine, seconds: float = 0.0) -> None:
    with engine.connect() as connection:
        connection.execute(TAKE, {"seconds": seconds}).all()


FIND = text("SELECT take(:seconds), id FROM people WHERE id = :id")


def find(engine: Engine, number: int, seconds: float = 0.0) -> Any:
    with engine.connect() as connection:
        return connection.execute(FIND, {"seconds": seconds, "id": number}).one()


def seeded(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO people (id, email) VALUES (1, 'a')"))


def test_not_found_is_a_debug_line_and_nothing_else(sqlite: Engine, make_log: Make, lines: Any) -> None:
    log = make_log(level="info")
    log.attach(sqlite)
    with pytest.raises(NoResultFound), log.watch():
        find(sqlite, 7)
    assert lines.messages == [("DEBUG", "sql not found")]
    fields = lines.fields()
    assert fields.pop("caller").startswith(f"{__file__}:{find.__code__.co_firstlineno + 2}")
    assert fields == {"elapsed_ms": 0.0, "rows": -1, "sql": "SELECT take(?), id FROM people WHERE id = ?"}


def test_also_when_it_was_slow(sqlite: Engine, make_log: Make, lines: Any) -> None:
    log = make_log()
    log.attach(sqlite)
    seeded(sqlite)

    def look() -> None:
        run(sqlite, 1)
        with sqlite.connect() as connection:
            connection.execute(text("SELECT take(2), id FROM people WHERE id = 7 OR take(2) = 3")).one()

    with pytest.raises(NoResultFound), log.watch():
        look()
    assert [fields["sql"] for fields in map(lines.fields, range(len(lines.records)))] == ["SELECT take(?)"]


def test_without_ignoring_it_is_an_error(sqlite: Engine, make_log: Make, lines: Any) -> None:
    log = make_log(ignore_not_found=False)
    log.attach(sqlite)
    with pytest.raises(NoResultFound), log.watch():
        find(sqlite, 7)
    assert lines.messages == [ERROR]
    assert lines.fields()["error"] == "NoResultFound"
    lines.records.clear()
    silent = make_log(level="silent", ignore_not_found=False)
    with pytest.raises(NoResultFound), silent.watch():
        find(sqlite, 7)
    assert lines.messages == []


def test_at_the_level_of_production_nothing_is_said_of_it(sqlite: Engine, make_log: Make, lines: Any) -> None:
    log = make_log()
    log.attach(sqlite)
    with pytest.raises(NoResultFound), log.watch():
        find(sqlite, 7)
    assert lines.messages == []


def test_what_was_found_is_told_as_ever(sqlite: Engine, make_log: Make, lines: Any) -> None:
    log = make_log(level="info")
    log.attach(sqlite)
    seeded(sqlite)
    lines.records.clear()
    with log.watch():
        find(sqlite, 1)
        find(sqlite, 1, 1.0)
    assert lines.messages == [FAST, SLOW]


def test_other_errors_in_the_block_are_told_once_in_their_order(sqlite: Engine, make_log: Make, lines: Any) -> None:
    log = make_log(level="info")
    log.attach(sqlite)

    def stumble() -> None:
        run(sqlite)
        with sqlite.connect() as connection:
            connection.execute(text("SELECT 1 FROM nowhere"))

    with pytest.raises(OperationalError), log.watch():
        stumble()
    assert lines.messages == [FAST, ERROR]
    lines.records.clear()
    with pytest.raises(ValueError, match="mine"), log.watch():
        raise ValueError("mine")
    assert lines.messages == []


def test_nested_blocks_tell_it_once(sqlite: Engine, make_log: Make, lines: Any) -> None:
    log = make_log(level="info")
    log.attach(sqlite)
    with pytest.raises(NoResultFound), log.watch(), log.watch():
        find(sqlite, 7)
    assert lines.messages == [("DEBUG", "sql not found")]


def test_an_error_caught_in_the_block_is_no_ones_business(sqlite: Engine, make_log: Make, lines: Any) -> None:
    log = make_log(level="info")
    log.attach(sqlite)
    with log.watch():
        with pytest.raises(NoResultFound):
            find(sqlite, 7)
        find_none = text("SELECT id FROM people WHERE id = 8")
        with sqlite.connect() as connection:
            assert connection.execute(find_none).one_or_none() is None
    assert lines.messages == [FAST, FAST]


def test_a_block_of_another_log_holds_nothing_back(sqlite: Engine, make_log: Make, lines: Any) -> None:
    make_log().attach(sqlite)
    other = make_log()
    with other.watch():
        run(sqlite, 1)
        assert lines.messages == [SLOW]
