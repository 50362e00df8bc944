"""Questions that are asked at the same time go to the database together, each once.

A worker that is busy has many of one kind at any moment, often the same. While a statement is under way the next one
gathers; one at a time therefore carries the most. No answer is older than its question: whoever
asks joins a statement that has not left yet, so nothing is remembered and nothing has to be invalidated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextvars import Context, copy_context
from itertools import chain, islice
from typing import Generic, TypeVar

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")

_MOST = 64
_PATIENCE = 0.02
"""Seconds: one statement at a time gathers the most questions, but one that is slow is not waited for."""


class Together(Generic[Question, Answer]):
    """Collects questions.

    Args:
        ask: answers many; a question that is not in what it returns has no answer.
        patience: seconds after which whoever waits no longer waits for the statement that is under way.
    """

    def __init__(
        self, ask: Callable[[list[Question]], Awaitable[Mapping[Question, Answer]]], patience: float = _PATIENCE
    ) -> None:
        self._ask = ask
        self._patience = patience
        self._waiting: dict[Question, list[asyncio.Future[Answer | None]]] = {}
        self._context = Context()
        """Of whoever has waited longest: the statement takes its time (`core/turns.py`), not an earlier request's."""
        self._leaving = False
        self._waited_for: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def __call__(self, question: Question) -> Answer | None:
        """The answer, or None when there is none.

        Raises:
            Whatever `ask` raises, to all whose questions went with it.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer | None] = loop.create_future()  # whoever gives up leaves the others theirs
        askers = self._waiting.get(question)
        if askers is not None:
            askers.append(answer)
            return await answer
        if not self._waiting:
            self._context = copy_context()
        self._waiting[question] = [answer]
        if not self._leaving and self._waited_for is None:
            self._leaving = True
            loop.call_soon(self._depart)  # after the other requests that have arrived
        return await answer

    def _depart(self) -> None:
        self._leaving = False
        if not self._waiting:
            return
        batch = dict(islice(self._waiting.items(), _MOST))
        for question in batch:
            del self._waiting[question]
        loop = asyncio.get_running_loop()
        flight = self._waited_for = loop.create_task(self._fly(batch), context=self._context)
        self._under_way.add(flight)
        overdue = loop.call_later(self._patience, self._go_on, flight)
        flight.add_done_callback(lambda _: self._landed(flight, overdue))

    def _landed(self, flight: asyncio.Task[None], overdue: asyncio.TimerHandle) -> None:
        overdue.cancel()
        self._under_way.discard(flight)
        self._go_on(flight)

    def _go_on(self, flight: asyncio.Task[None]) -> None:
        """The next may leave, if it was this one that it waited for."""
        if self._waited_for is flight:
            self._waited_for = None
            self._depart()

    async def _fly(self, batch: dict[Question, list[asyncio.Future[Answer | None]]]) -> None:
        try:
            answers = await self._ask(list(batch))
        except BaseException as error:
            for answer in chain.from_iterable(batch.values()):
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()  # whoever asked may be gone
            if not isinstance(error, Exception):
                raise
            return
        for question, askers in batch.items():
            found = answers.get(question)
            for answer in askers:
                if not answer.done():
                    answer.set_result(found)
