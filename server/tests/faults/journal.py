"""People who sign in, look, refresh and sign out over and over, writing down every answer: what a fault may not spoil.

Each keeps what was acknowledged, so that afterwards the database can be held against it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

NO_ANSWER = 0
"""The status of a request whose connection broke."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request, when (seconds of the monotonic clock) and after how long."""

    path: str
    status: int
    at: float
    seconds: float
    text: str
    retry_after: str | None


@dataclass
class SessionStory:
    """What one person knows about one session of theirs."""

    session_id: str
    generation: int = 0
    """Acknowledged rotations."""
    ended: bool = False
    """The sign-out was acknowledged."""


@dataclass
class Journal:
    """All answers and stories of a crowd."""

    answers: list[Answer] = field(default_factory=list)
    stories: list[SessionStory] = field(default_factory=list)

    def since(self, at: float, until: float = float("inf")) -> list[Answer]:
        """Answers that came between two instants."""
        return [answer for answer in self.answers if at <= answer.at <= until]

    def statuses(self) -> Counter[int]:
        """How often each status came."""
        return Counter(answer.status for answer in self.answers)

    def wrong(self, *accepted: int) -> list[Answer]:
        """Answers with a status other than 200 and `accepted`."""
        return [answer for answer in self.answers if answer.status not in {200, *accepted}]


class Crowd:
    """`people` (e-mail addresses with one password) at work on servers in turn.

    A 503, or a connection that breaks when `breaking` is allowed, is tried again; anything unexpected ends that
    session's story and stays in the journal for the test to find.
    """

    def __init__(self, base_urls: Callable[[], list[str]], people: list[str], password: str) -> None:
        self.journal = Journal()
        self._base_urls = base_urls
        self._people = people
        self._password = password
        self._turn = itertools.count()
        self._stopping = False

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Journal]:
        """Everybody works inside the block; at its end each finishes the request in flight."""
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=200, keepalive_expiry=10)
        async with httpx2.AsyncClient(timeout=20, limits=limits) as client:
            tasks = [asyncio.create_task(self._live(client, person)) for person in self._people]
            try:
                yield self.journal
            finally:
                self._stopping = True
                await asyncio.gather(*tasks)

    async def _live(self, client: httpx2.AsyncClient, email: str) -> None:
        while not self._stopping:
            data = await self._ask(client, "/auth/login", {"email": email, "password": self._password})
            if data is None:
                continue
            story = SessionStory(data["sessionId"])
            self.journal.stories.append(story)
            await self._use(client, story, data)

    async def _use(self, client: httpx2.AsyncClient, story: SessionStory, data: dict[str, Any]) -> None:
        for _ in range(random.randint(1, 4)):
            if await self._ask(client, "/auth/me", None, bearer=data["accessToken"]) is None:
                return
            after = await self._ask(client, "/auth/refresh", {"refreshToken": data["refreshToken"]})
            if after is None:
                return
            story.generation += 1
            data = after
        if await self._ask(client, "/auth/logout", {"refreshToken": data["refreshToken"]}) is not None:
            story.ended = True

    async def _ask(
        self, client: httpx2.AsyncClient, path: str, body: dict[str, str] | None, *, bearer: str = ""
    ) -> Any | None:
        """The `data` of a 200; None when it came otherwise or the crowd was told to stop."""
        while not self._stopping:
            answer, data = await self._once(client, path, body, bearer)
            self.journal.answers.append(answer)
            if answer.status == 200:
                return data
            if answer.status not in {503, NO_ANSWER}:
                return None
            await asyncio.sleep(0.2)
        return None

    async def _once(
        self, client: httpx2.AsyncClient, path: str, body: dict[str, str] | None, bearer: str
    ) -> tuple[Answer, Any]:
        servers = self._base_urls()
        url = servers[next(self._turn) % len(servers)] + path
        address = f"2001:db8:{random.getrandbits(16):x}:{random.getrandbits(16):x}::1"
        headers = {"X-Forwarded-For": address, **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
        started = time.monotonic()
        try:
            if body is None:
                reply = await client.get(url, headers=headers)
            else:
                reply = await client.post(url, json=body, headers=headers)
        except httpx2.TransportError as error:
            now = time.monotonic()
            return Answer(path, NO_ANSWER, now, now - started, repr(error), None), None
        now = time.monotonic()
        text = "" if reply.status_code == 200 else reply.text[:300]
        answer = Answer(path, reply.status_code, now, now - started, text, reply.headers.get("retry-after"))
        return answer, reply.json()["data"] if reply.status_code == 200 else None


async def people(client: httpx2.AsyncClient, token: str, count: int, password: str) -> list[str]:
    """New active users, made over the API by an administrator."""

    async def one() -> str:
        headers = {"Authorization": f"Bearer {token}"}
        while True:  # a 503 leaves open whether it was done: then somebody else is made
            email = f"p-{random.getrandbits(64):x}@example.com"
            body = {"email": email, "password": password, "fullName": "Crowd Member"}
            reply = await client.post("/internal/users", json=body, headers=headers)
            if reply.status_code != 503:
                break
            await asyncio.sleep(0.1)
        assert reply.status_code == 201, reply.text
        return email

    return [await one() for _ in range(count)]
