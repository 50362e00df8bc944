"""The limits of POST /auth/login: per client address, per pair of address and account, with Redis away."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from harness import PASSWORD, Harness, Person, Servers, running
from services.redis import RedisServer

Reply = Any


async def login(app: Harness, email: str, password: str = PASSWORD, ip: str = "") -> Reply:
    return await app.http.post(
        "/auth/login",
        json={"email": email, "password": password},
        headers={"X-Forwarded-For": ip or app.fresh_ip()},
    )


def nobody() -> str:
    return f"nobody-{secrets.token_hex(5)}@example.com"


async def test_thirty_tries_a_minute_for_each_client_address(app: Harness) -> None:
    ip = app.fresh_ip()
    replies = await asyncio.gather(*(login(app, nobody(), ip=ip) for _ in range(40)))
    assert sorted(reply.status_code for reply in replies) == [401] * 30 + [429] * 10
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert refused.json()["error"]["code"] == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (await login(app, nobody())).status_code == 401, "another address has its own count"
    app.clock.advance(timedelta(seconds=61))
    assert (await login(app, nobody(), ip=ip)).status_code == 401


async def test_a_right_password_does_not_pass_a_used_up_limit(app: Harness) -> None:
    person, ip = await app.make_user(), app.fresh_ip()
    await asyncio.gather(*(login(app, nobody(), ip=ip) for _ in range(30)))
    assert (await login(app, person.email, ip=ip)).status_code == 429


async def test_a_flood_of_refusals_writes_one_audit_row(app: Harness) -> None:
    before = len(await app.audit("auth.login.rate_limited"))
    ip = app.fresh_ip()
    await asyncio.gather(*(login(app, nobody(), ip=ip) for _ in range(60)))
    rows = (await app.audit("auth.login.rate_limited"))[before:]
    assert [(row["actor_type"], row["outcome"], row["ip"] is not None) for row in rows] == [
        ("anonymous", "failure", True)
    ]
    app.clock.advance(timedelta(seconds=61))
    await asyncio.gather(*(login(app, nobody(), ip=ip) for _ in range(40)))
    assert len((await app.audit("auth.login.rate_limited"))[before:]) == 2, "a new window is told again"


async def fail(app: Harness, person: Person, ip: str, times: int) -> list[int]:
    replies = [await login(app, person.email, "wrong password", ip) for _ in range(times)]
    return [reply.status_code for reply in replies]


async def test_ten_failures_close_one_pair_of_address_and_account_only(app: Harness) -> None:
    person, other, ip = await app.make_user(), await app.make_user(), app.fresh_ip()
    assert await fail(app, person, ip, 11) == [401] * 10 + [429]
    refused = await login(app, person.email, ip=ip)
    assert refused.status_code == 429, "not even the right password, from there"
    assert 60 < int(refused.headers["Retry-After"]) <= 900
    assert (await login(app, other.email, ip=ip)).status_code == 200, "another account, from there"
    assert (await login(app, person.email)).status_code == 200, "the owner, from elsewhere"
    app.clock.advance(timedelta(minutes=15, seconds=1))
    assert (await login(app, person.email, ip=ip)).status_code == 200


async def test_right_passwords_are_not_counted(app: Harness) -> None:
    person, ip = await app.make_user(), app.fresh_ip()
    assert await fail(app, person, ip, 9) == [401] * 9
    for _ in range(5):
        assert (await login(app, person.email, ip=ip)).status_code == 200
    assert await fail(app, person, ip, 2) == [401, 429]


async def test_guesses_in_parallel_get_no_more_than_ten(app: Harness) -> None:
    person, ip = await app.make_user(), app.fresh_ip()
    replies = await asyncio.gather(*(login(app, person.email, f"guess {i}", ip) for i in range(25)))
    assert sorted(reply.status_code for reply in replies) == [401] * 10 + [429] * 15


async def test_the_account_is_counted_by_its_address_however_it_is_spelled(app: Harness) -> None:
    person, ip = await app.make_user(), app.fresh_ip()
    for email in (person.email.upper(), f" {person.email}"):
        for _ in range(5):
            await login(app, email, "wrong password", ip)
    assert (await login(app, person.email, ip=ip)).status_code == 429


async def test_unknown_addresses_are_throttled_alike(app: Harness) -> None:
    ghost, ip = nobody(), app.fresh_ip()
    codes = [(await login(app, ghost, ip=ip)).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]


async def test_ipv6_neighbours_share_a_count(app: Harness) -> None:
    network = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
    replies = await asyncio.gather(*(login(app, nobody(), ip=f"{network}::{i:x}") for i in range(1, 41)))
    assert sorted(reply.status_code for reply in replies) == [401] * 30 + [429] * 10


async def test_two_instances_share_the_count(servers: Servers, app: Harness) -> None:
    async with running(servers) as second:
        ip = app.fresh_ip()
        replies = await asyncio.gather(*(login((app, second)[i % 2], nobody(), ip=ip) for i in range(40)))
        assert sorted(reply.status_code for reply in replies) == [401] * 30 + [429] * 10


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer().start()
    yield server
    server.stop()


async def test_without_redis_login_fails_closed_by_default(servers: Servers, redis: RedisServer) -> None:
    async with running(servers, redis=False, REDIS_URL=redis.url) as app:
        person = await app.make_user()
        assert (await login(app, person.email)).status_code == 200
        redis.kill()
        reply = await login(app, person.email)
        assert reply.status_code == 503
        assert reply.json()["error"]["code"] == "service_unavailable"
        assert int(reply.headers["Retry-After"]) >= 1


async def test_without_redis_login_goes_on_when_told_to(servers: Servers, redis: RedisServer) -> None:
    async with running(servers, redis=False, REDIS_URL=redis.url, RATE_LIMIT_FAIL_CLOSED_LOGIN="false") as app:
        person = await app.make_user()
        redis.kill()
        assert (await login(app, person.email)).status_code == 200
        ip = app.fresh_ip()
        replies = await asyncio.gather(*(login(app, nobody(), ip=ip) for _ in range(40)))
        assert sorted(reply.status_code for reply in replies) == [401] * 30 + [429] * 10
