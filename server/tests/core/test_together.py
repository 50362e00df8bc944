"""Questions asked at once go together, each once; no answer is older than its question."""

from __future__ import annotations

import asyncio

import pytest

from identry.core.together import Together


class Source:
    """Answers every number with its square; counts, and waits when told to."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = False

    async def __call__(self, numbers: list[int]) -> dict[int, int]:
        self.asked.append(numbers)
        await self.gate.wait()
        if self.away:
            raise ConnectionError("away")
        return {number: number * number for number in numbers if number >= 0}


async def test_what_is_asked_in_one_turn_goes_together_and_each_question_once() -> None:
    source = Source()
    together = Together(source)
    assert await asyncio.gather(*(together(number) for number in (1, 2, 3, 2, 1, -1))) == [1, 4, 9, 4, 1, None]
    assert source.asked == [[1, 2, 3, -1]]


async def test_who_asks_while_two_are_under_way_goes_with_the_next_and_gets_a_fresh_answer() -> None:
    source = Source()
    together = Together(source)
    source.gate.clear()
    first = asyncio.create_task(together(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(together(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(together(number)) for number in (1, 5, 5)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert source.asked == [[1], [1]], "what is under way answers nobody who came later"
    source.gate.set()
    assert await asyncio.gather(first, second, *later) == [1, 1, 1, 25, 25]
    assert source.asked == [[1], [1], [1, 5]]


async def test_a_batch_is_bounded() -> None:
    source = Source()
    together = Together(source)
    await asyncio.gather(*(together(number) for number in range(150)))
    assert [len(batch) for batch in source.asked] == [64, 64, 22]


async def test_an_outage_is_told_to_all_who_went_with_it_and_to_nobody_else() -> None:
    source = Source()
    together = Together(source)
    source.away = True
    results = await asyncio.gather(together(1), together(2), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError, ConnectionError]
    source.away = False
    assert await together(1) == 1


async def test_whoever_gives_up_leaves_the_others_their_answer() -> None:
    source = Source()
    together = Together(source)
    source.gate.clear()
    impatient, patient = asyncio.create_task(together(3)), asyncio.create_task(together(3))
    for _ in range(3):
        await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    source.gate.set()
    assert await patient == 9
