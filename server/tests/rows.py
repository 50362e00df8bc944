"""Rows that are only data: one test goes through all of them, because a test for each costs more than the row does."""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest

_Test = Callable[..., Any]


def every(
    names: str | tuple[str, ...], rows: Iterable[Any], *, ids: Iterable[str] | Callable[[Any], str] | None = None
) -> Any:
    """As `pytest.mark.parametrize`, but in one test, which tells of every row that fails, by its name.

    For rows that leave nothing behind: all of them see the same fixtures.
    """
    wanted = (names,) if isinstance(names, str) else names
    values = [(row,) if isinstance(names, str) else row for row in rows]
    told = [ids(row[0]) for row in values] if callable(ids) else ids or [""] * len(values)
    cases = [(name, dict(zip(wanted, row, strict=True))) for name, row in zip(told, values, strict=True)]
    assert cases, "no row is no test"

    def through_all(test: _Test) -> _Test:
        through = _awaited(test, cases) if inspect.iscoroutinefunction(test) else _called(test, cases)
        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in wanted]
        through.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]  # what pytest reads
        return through

    return through_all


_Cases = list[tuple[str, dict[str, Any]]]
_FAILURES = (Exception, pytest.fail.Exception)


def _called(test: _Test, cases: _Cases) -> _Test:
    @functools.wraps(test)
    def through(*args: Any, **fixtures: Any) -> None:
        faults: list[BaseException] = []
        for name, row in cases:
            try:
                test(*args, **fixtures, **row)
            except _FAILURES as fault:
                faults.append(_of_row(name or reprlib.repr(row), fault))
        _tell(test, faults, cases)

    return through


def _awaited(test: _Test, cases: _Cases) -> _Test:
    @functools.wraps(test)
    async def through(*args: Any, **fixtures: Any) -> None:
        faults: list[BaseException] = []
        for name, row in cases:
            try:
                await test(*args, **fixtures, **row)
            except _FAILURES as fault:
                faults.append(_of_row(name or reprlib.repr(row), fault))
        _tell(test, faults, cases)

    return through


def _of_row(name: str, fault: BaseException) -> BaseException:
    fault.add_note(f"row: {name}")
    return fault


def _tell(test: _Test, faults: list[BaseException], cases: _Cases) -> None:
    if faults:
        raise BaseExceptionGroup(f"{len(faults)} of {len(cases)} rows of {test.__name__}", faults)
