"""POST /auth/login while the hash runs: renewal, races with the account, a full queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import bcrypt
import pytest
from harness import PASSWORD, Harness, Person, Servers, running

from identry.core.passwords import Argon2Params, Passwords
from identry.records import users

Reply = Any


async def login(app: Harness, email: object, password: object = PASSWORD, ip: str = "", **more: object) -> Reply:
    return await app.http.post(
        "/auth/login",
        json={"email": email, "password": password, **more},
        headers={"X-Forwarded-For": ip or app.fresh_ip()},
    )


async def events_of(app: Harness, person: Person) -> list[str]:
    return [row["event"] for row in await app.audit(target_user_id=person.id)]


async def test_a_hash_with_old_parameters_is_renewed_at_login(app: Harness) -> None:
    old = Passwords(Argon2Params(2, 32, 1, 32), threads=1, queue=4)
    person = await app.make_user(password_hash=await old.hash(PASSWORD))
    await old.close()
    assert (await login(app, person.email, "wrong password")).status_code == 401
    assert "t=2" in (await users.find(app.db, person.id)).password_hash
    assert (await login(app, person.email)).status_code == 200
    user = await users.find(app.db, person.id)
    assert "m=64,t=1" in user.password_hash
    assert user.token_version == 1
    assert (await login(app, person.email)).status_code == 200


async def test_a_foreign_hash_verifies_once_and_becomes_ours(app: Harness) -> None:
    bcrypt_hash = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    person = await app.make_user(password_hash=bcrypt_hash)
    assert (await login(app, person.email)).status_code == 200
    assert (await users.find(app.db, person.id)).password_hash.startswith("$argon2id$")
    assert (await login(app, person.email)).status_code == 200


async def test_a_damaged_hash_is_a_wrong_password(app: Harness) -> None:
    person = await app.make_user(password_hash="$argon2id$v=19$m=64,t=1,p=1$garbage")
    assert (await login(app, person.email)).status_code == 401


async def test_the_password_is_verified_exactly_as_received(app: Harness) -> None:
    odd = "  Ünïcode é\u0301 😀 tab\there  "
    person = await app.make_user(password_hash=await app.app.engines.passwords.hash(odd))
    assert (await login(app, person.email, odd)).status_code == 200
    assert (await login(app, person.email, odd.strip())).status_code == 401


async def login_while(app: Harness, person: Person, sql: str) -> Reply:
    """Sign in; `sql` runs while the password waits to be verified, its account already read."""
    passwords, gate = app.app.engines.passwords, threading.Event()
    busy = [asyncio.create_task(passwords._pool.run(gate.wait)) for _ in range(passwords._pool._threads)]
    try:
        await until(lambda: passwords.stats.running == len(busy))
        attempt = asyncio.create_task(login(app, person.email))
        await until(lambda: passwords.stats.queued)
        await app.db.execute(sql, person.id)
        assert not attempt.done()
    finally:
        gate.set()
        await asyncio.gather(*busy)
    return await attempt


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ("is_active = false, token_version = token_version + 1", 403, "account_inactive"),
        ("is_active = false", 403, "account_inactive"),
        ("approval_status = 'REJECTED'", 403, "registration_rejected"),
        ("password_hash = 'other', token_version = token_version + 1", 401, "unauthorized"),
        ("mfa_enabled = true", 401, "unauthorized"),
    ],
)
async def test_what_changes_during_the_hash_leaves_no_session_behind(
    app: Harness, change: str, status: int, code: str
) -> None:
    person = await app.make_user()
    reply = await login_while(app, person, f"UPDATE users SET {change} WHERE id = $1")
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id) == 0
    assert await events_of(app, person) == ["auth.login.blocked"]


async def test_a_deleted_account_during_the_hash_is_a_401(app: Harness) -> None:
    person = await app.make_user()
    reply = await login_while(app, person, "DELETE FROM users WHERE id = $1")
    assert reply.status_code == 401


async def test_a_full_hashing_queue_is_503_with_retry_after_and_costs_no_try(servers: Servers) -> None:
    env = {"HASH_THREADS": "1", "HASH_QUEUE": "1", "ARGON2_TIME": "10", "ARGON2_MEMORY": "32768"}
    async with running(servers, **env) as app:
        person, ip = await app.make_user(), app.fresh_ip()
        replies = await asyncio.gather(*(login(app, person.email, "wrong password", ip) for _ in range(9)))
        codes = sorted(reply.status_code for reply in replies)
        assert set(codes) == {401, 503}
        refused = [reply for reply in replies if reply.status_code == 503]
        assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)
        assert {reply.json()["error"]["code"] for reply in refused} == {"service_unavailable"}
        # Those that were turned away were no wrong passwords: what is left of the ten is still there.
        for _ in range(10 - codes.count(401)):
            assert (await login(app, person.email, "wrong password", ip)).status_code == 401
        assert (await login(app, person.email, "wrong password", ip)).status_code == 429
