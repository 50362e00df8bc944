"""Questions that are asked at the same time go to the database together, each once.

A worker that is busy has many of one kind at any moment, often the same. No answer is older than its question: whoever
asks joins a statement that has not left yet, so nothing is remembered and nothing has to be invalidated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from itertools import islice
from typing import Generic, TypeVar

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")

_MOST = 64
_FLIGHTS = 2
"""Statements under way at once: one that is slow holds up no more than those that went with it."""


class Together(Generic[Question, Answer]):
    """Collects questions.

    Args:
        ask: answers many; a question that is not in what it returns has no answer.
    """

    def __init__(self, ask: Callable[[list[Question]], Awaitable[Mapping[Question, Answer]]]) -> None:
        self._ask = ask
        self._waiting: dict[Question, asyncio.Future[Answer | None]] = {}
        self._flights: set[asyncio.Task[None]] = set()
        self._leaving = False

    async def __call__(self, question: Question) -> Answer | None:
        """The answer, or None when there is none.

        Raises:
            Whatever `ask` raises, to all whose questions went with it.
        """
        answer = self._waiting.get(question)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._waiting[question] = loop.create_future()
            if not self._leaving and len(self._flights) < _FLIGHTS:
                self._leaving = True
                loop.call_soon(self._depart)  # after the other requests that have arrived
        return await asyncio.shield(answer)  # whoever gives up leaves the others their answer

    def _depart(self) -> None:
        self._leaving = False
        while self._waiting and len(self._flights) < _FLIGHTS:
            batch = dict(islice(self._waiting.items(), _MOST))
            for question in batch:
                del self._waiting[question]
            flight = asyncio.create_task(self._fly(batch))
            self._flights.add(flight)
            flight.add_done_callback(self._landed)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._depart()

    async def _fly(self, batch: dict[Question, asyncio.Future[Answer | None]]) -> None:
        try:
            answers = await self._ask(list(batch))
        except BaseException as error:
            for answer in batch.values():
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()  # whoever asked may be gone
            if not isinstance(error, Exception):
                raise
            return
        for question, answer in batch.items():
            if not answer.done():
                answer.set_result(answers.get(question))
