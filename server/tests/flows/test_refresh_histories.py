"""Random histories of one session against a model: what every token of its chain is worth at every moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from harness import Harness, Servers, running
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from services.clocks import StillClock

GRACE = 10.0
HORIZON = 600.0


class Model:
    """What the contract promises about one session."""

    def __init__(self) -> None:
        self.alive = True
        self.newest = 0
        self.rotated_at = 0.0
        self.now = 0.0

    def present(self, generation: int) -> int | None:
        """The generation of the successor that the token gets, or None when it is refused."""
        if not self.alive or self.now >= HORIZON:
            return None
        if generation == self.newest:
            self.newest, self.rotated_at = generation + 1, self.now
            return self.newest
        if generation == self.newest - 1 and self.now - self.rotated_at < GRACE:
            return self.newest
        self.alive = False
        return None


class Histories(RuleBasedStateMachine):
    """Set by the test: `app` and the loop that serves it."""

    app: Harness
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    @initialize()
    def sign_in(self) -> None:
        self.app.clock.reset()
        self.person = self.run(self.app.signed_in())
        self.model = Model()
        self.tokens = {0: self.person.refresh_token}

    async def _post(self, path: str, token: str) -> Any:
        return await self.app.http.post(
            path, json={"refreshToken": token}, headers={"X-Forwarded-For": self.app.fresh_ip()}
        )

    def _present(self, generation: int) -> None:
        reply = self.run(self._post("/auth/refresh", self.tokens[generation]))
        expected = self.model.present(generation)
        if expected is None:
            assert reply.status_code == 401
            assert reply.json()["error"]["code"] == "session_revoked"
        else:
            assert reply.status_code == 200, reply.text
            token = reply.json()["data"]["refreshToken"]
            assert self.tokens.setdefault(expected, token) == token, "the chain forked"

    @rule()
    def present_the_newest(self) -> None:
        self._present(max(self.tokens))

    @rule()
    def repeat_the_last(self) -> None:
        self._present(max(max(self.tokens) - 1, 0))

    @rule(data=st.data())
    def replay_any(self, data: st.DataObject) -> None:
        self._present(data.draw(st.sampled_from(sorted(self.tokens))))

    @rule(seconds=st.sampled_from([1.0, 4.0, 8.0, 11.0, 60.0, 300.0]))
    def wait(self, seconds: float) -> None:
        self.app.clock.advance(seconds)
        self.model.now += seconds

    @rule(data=st.data())
    def log_out(self, data: st.DataObject) -> None:
        token = self.tokens[data.draw(st.sampled_from(sorted(self.tokens)))]
        assert self.run(self._post("/auth/logout", token)).status_code == 200
        self.model.alive = False

    @invariant()
    def the_session_answers_while_it_lives(self) -> None:
        if not hasattr(self, "model"):
            return
        reply = self.run(self.app.http.get("/auth/me", headers=self.person.bearer))
        alive = self.model.alive and self.model.now < HORIZON
        assert reply.status_code == (200 if alive else 401)


@pytest.fixture
async def short_lived(servers: Servers) -> AsyncIterator[Harness]:
    async with running(servers, clock=StillClock(), REFRESH_TOKEN_TTL="10m", REFRESH_GRACE="10s") as app:
        yield app


def _check(app: Harness, loop: asyncio.AbstractEventLoop, examples: int) -> None:
    Histories.app, Histories.loop = app, loop
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


async def test_random_histories_agree_with_the_model(short_lived: Harness) -> None:
    await asyncio.to_thread(_check, short_lived, asyncio.get_running_loop(), 12)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_many_random_histories_agree_with_the_model(short_lived: Harness) -> None:
    await asyncio.to_thread(_check, short_lived, asyncio.get_running_loop(), 400)
