"""Questions asked at once go together, each once; no answer is older than its question."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

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


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_asks_while_one_is_under_way_goes_with_the_next_and_gets_a_fresh_answer() -> None:
    source = Source()
    together = Together(source, patience=60)
    source.gate.clear()
    first = asyncio.create_task(together(1))
    await turns()
    later = []
    for number in (1, 5, 5):
        later.append(asyncio.create_task(together(number)))
        await turns()
    assert source.asked == [[1]], "what is under way answers nobody who came later"
    source.gate.set()
    assert await asyncio.gather(first, *later) == [1, 1, 25, 25]
    assert source.asked == [[1], [1, 5]]


async def test_nobody_waits_long_for_a_statement_that_is_slow() -> None:
    source = Source()
    together = Together(source, patience=0)
    source.gate.clear()
    slow = asyncio.create_task(together(1))
    await turns()
    later = asyncio.create_task(together(2))
    while len(source.asked) < 2:
        await asyncio.sleep(0)
    assert source.asked == [[1], [2]]
    assert not slow.done()
    source.gate.set()
    assert await asyncio.gather(slow, later) == [1, 4]


async def test_a_statement_runs_in_the_context_of_who_asked_first_in_it() -> None:
    request: ContextVar[str] = ContextVar("request", default="")
    seen: list[str] = []
    gate = asyncio.Event()

    async def answer(numbers: list[int]) -> dict[int, int]:
        seen.append(request.get())
        await gate.wait()
        return {}

    async def ask(name: str, number: int) -> None:
        request.set(name)
        await together(number)

    together = Together(answer, patience=60)
    asked = []
    for number, name in enumerate(("first", "second", "third")):
        asked.append(asyncio.create_task(ask(name, number)))
        await turns()
    gate.set()
    await asyncio.gather(*asked)
    assert seen == ["first", "second"], "the third went with the second"


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
