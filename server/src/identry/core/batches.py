"""Changes that are asked for at the same time go to the database together, each in its own right.

A worker that is busy has several to make at any moment. One statement and one commit for eight of them cost a third of
what eight cost, in PostgreSQL and here (decision 0063); a lone one goes at once. Questions, which may be answered
together even when they are the same, have `core/together.py`; of two equal changes each gets an answer of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Change = TypeVar("Change")
Answer = TypeVar("Answer")

_MOST = 64
_FLIGHTS = 2
"""Statements under way at once: one that has to wait for a row holds up no more than those that went with it."""


@dataclass(slots=True)
class _Batch(Generic[Change, Answer]):
    """Changes that go together.

    Attributes:
        context: of whoever came first; the statement takes its time (`core/turns.py`), not an earlier request's.
        places: what each key is to become, and who waits for it.
    """

    context: Context = field(default_factory=copy_context)
    places: dict[bytes, tuple[Change, asyncio.Future[Answer | None]]] = field(default_factory=dict)


class Batches(Generic[Change, Answer]):
    """Makes the changes of one worker. What each changes has a key: a statement holds one only once.

    Args:
        send: makes many, in the order of their keys, so that two statements never wait for each other's rows. A key
            that is not in what it returns was not changed.
    """

    def __init__(self, send: Callable[[list[Change]], Awaitable[Mapping[bytes, Answer]]]) -> None:
        self._send = send
        self._waiting: deque[_Batch[Change, Answer]] = deque()
        self._flights: set[asyncio.Task[None]] = set()

    async def __call__(self, key: bytes, change: Change) -> Answer | None:
        """Make a change; None: it was not made.

        Who is cancelled once the statement is under way leaves it to happen.

        Raises:
            Whatever `send` raises, to all whose changes went with it.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting and len(self._flights) < _FLIGHTS:
            loop.call_soon(self._depart)  # after the other requests that have arrived
        answer: asyncio.Future[Answer | None] = loop.create_future()
        self._batch_without(key).places[key] = change, answer
        return await answer

    def _batch_without(self, key: bytes) -> _Batch[Change, Answer]:
        """The next batch with room that does not hold this key."""
        for batch in self._waiting:
            if len(batch.places) < _MOST and key not in batch.places:
                return batch
        self._waiting.append(_Batch())
        return self._waiting[-1]

    def _depart(self) -> None:
        while self._waiting and len(self._flights) < _FLIGHTS:
            batch = self._waiting.popleft()
            flight = asyncio.get_running_loop().create_task(self._fly(batch), context=batch.context)
            self._flights.add(flight)
            flight.add_done_callback(self._landed)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._depart()  # after those that were answered have gone on: a larger batch is a cheaper one

    async def _fly(self, batch: _Batch[Change, Answer]) -> None:
        going = {key: place for key, place in batch.places.items() if not place[1].done()}
        try:
            answers = await self._send([going[key][0] for key in sorted(going)]) if going else {}
        except BaseException as error:  # told to everyone who waits, whatever it is
            for _, answer in going.values():
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()  # whoever asked may be gone
            if not isinstance(error, Exception):
                raise
            return
        for key, (_, answer) in going.items():
            if not answer.done():
                answer.set_result(answers.get(key))
