"""contracts/kit.md §3, Timeout: one deadline, replaced by nested ones, never confused by others' cancellations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from identry_kit.httpware import Timeout


def sleeper(seconds: float, reply: Any) -> Any:
    async def app(scope, receive, send) -> None:
        await asyncio.sleep(seconds)
        await reply()(scope, receive, send)

    return app


async def test_in_time_nothing_happens(call: Any, reply: Any) -> None:
    assert (await call(Timeout(sleeper(0.01, reply), 5))).status == 200


async def test_too_late_is_a_504(call: Any, reply: Any) -> None:
    answer = await call(Timeout(sleeper(60, reply), 0.02))
    assert (answer.status, answer.body) == (504, b'{"error":{"code":"timeout","message":"Gateway Timeout"}}')


async def test_a_begun_answer_is_left_incomplete(call: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await asyncio.sleep(60)

    answer = await call(Timeout(app, 0.02))
    assert (answer.status, answer.complete) == (200, False)
    assert "middle of its answer" in caplog.text


@pytest.mark.parametrize(
    ("outer", "inner", "work", "status"), [(0.02, 5, 0.1, 200), (5, 0.02, 60, 504), (0, 5, 0.02, 200)]
)
async def test_a_nested_timeout_replaces_the_outer(
    call: Any, reply: Any, outer: float, inner: float, work: float, status: int
) -> None:
    assert (await call(Timeout(Timeout(sleeper(work, reply), inner), outer))).status == status


async def test_it_replaces_one_that_has_already_passed(call: Any, reply: Any) -> None:
    inner = Timeout(sleeper(0.05, reply), 5)

    async def stubborn(scope, receive, send) -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(60)
        await inner(scope, receive, send)

    assert (await call(Timeout(stubborn, 0.02))).status == 200


async def test_a_handler_that_swallows_the_cancellation_still_gives_a_504(call: Any) -> None:
    async def app(scope, receive, send) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return

    assert (await call(Timeout(app, 0.02))).status == 504
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancellation_from_outside_passes(call: Any, reply: Any) -> None:
    task = asyncio.create_task(call(Timeout(sleeper(60, reply), 5)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_outside_in_the_moment_of_the_deadline_wins(call: Any) -> None:
    async def app(scope, receive, send) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            task.cancel()
            raise

    task = asyncio.create_task(call(Timeout(app, 0.02)))
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_handler_passes(call: Any) -> None:
    async def app(scope, receive, send) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await call(Timeout(app, 5))


async def test_many_requests_share_one_timer_and_each_keeps_its_deadline(call: Any, reply: Any) -> None:
    fast, slow = sleeper(0, reply), sleeper(60, reply)

    async def app(scope, receive, send) -> None:
        await (slow if scope["path"] == "/slow" else fast)(scope, receive, send)

    limited = Timeout(app, 2)
    answers = await asyncio.gather(*(call(limited, "/slow" if n % 3 == 0 else "/fast") for n in range(60)))
    assert [answer.status for answer in answers] == [504 if n % 3 == 0 else 200 for n in range(60)]
    assert (await call(limited, "/fast")).status == 200


async def test_a_shorter_deadline_after_a_longer_one_rings_first(call: Any, reply: Any) -> None:
    inner = Timeout(sleeper(60, reply), 0.02)

    async def app(scope, receive, send) -> None:
        await (inner if scope["path"] == "/short" else sleeper(0.2, reply))(scope, receive, send)

    limited = Timeout(app, 5)
    long, short = await asyncio.gather(call(limited, "/long"), call(limited, "/short"))
    assert (long.status, short.status) == (200, 504)


def test_one_object_serves_one_event_loop_after_another(call: Any, reply: Any) -> None:
    limited = Timeout(sleeper(60, reply), 0.02)
    for _ in range(2):
        with asyncio.Runner() as runner:
            assert runner.run(call(limited)).status == 504


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_timeout_is_a_number_of_seconds(reply: Any, seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        Timeout(reply(), seconds)
