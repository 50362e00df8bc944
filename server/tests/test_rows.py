"""One test for many rows says as much as a test for each."""

from __future__ import annotations

import pytest
from rows import every


def test_every_row_is_tried_and_every_failing_one_is_named() -> None:
    tried = []

    @every(("left", "right"), [(1, 1), (1, 2), (3, 3), (3, 4)], ids=["one", "two", "three", "four"])
    def equal(left: int, right: int) -> None:
        tried.append((left, right))
        assert left == right

    with pytest.raises(BaseExceptionGroup, match="2 of 4 rows of equal") as caught:
        equal()
    assert len(tried) == 4
    assert [fault.__notes__ for fault in caught.value.exceptions] == [["row: two"], ["row: four"]]


async def test_an_exception_that_does_not_come_is_a_failure_of_its_row() -> None:
    @every("value", [1, 0])
    async def divided(value: int) -> None:
        with pytest.raises(ZeroDivisionError):
            1 / value

    with pytest.raises(BaseExceptionGroup, match="1 of 2") as caught:
        await divided()
    assert caught.value.exceptions[0].__notes__ == ["row: {'value': 1}"]


@every("row", [1, 2])
@every("column", "ab", ids=str.upper)
def test_rows_go_with_rows_and_with_fixtures(row: int, column: str, request: pytest.FixtureRequest) -> None:
    assert row in {1, 2}
    assert column in "ab"
    assert request.node.name == "test_rows_go_with_rows_and_with_fixtures"


class TestOfAClass:
    seen = 0

    @every("row", [1, 2])
    def test_a_method_is_its_instance_s(self, row: int) -> None:
        self.seen += 1
        assert self.seen == row
