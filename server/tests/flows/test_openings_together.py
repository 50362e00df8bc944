"""Sign-ins that end at the same time are opened together: each for itself, all of it or nothing."""

from __future__ import annotations

import asyncio

import pytest
from browser import settle, signed_in, tenant
from harness import Harness
from second_factor import assert_wrong, login, secured, ticket_for, verify

from identry.core.ids import uuid7
from identry.core.secrets import token_hash
from identry.flows.mfa import queries
from identry.opening import NewSession, Openings, bytea
from identry.records import factors
from identry.records.one_time_tokens import Purpose


async def test_of_second_steps_at_once_each_gets_its_own_answer_and_its_own_trace(app: Harness) -> None:
    users = [await secured(app) for _ in range(6)]
    tickets = [await ticket_for(app, user.person) for user in users]
    codes = [user.code(app) for user in users]
    codes[1] = users[1].wrong(app)
    await app.db.execute("UPDATE users SET is_active = false WHERE id = $1", users[2].person.id)
    await app.db.execute("UPDATE one_time_tokens SET consumed_at = now() WHERE user_id = $1", users[3].person.id)
    replies = await asyncio.gather(*(verify(app, *step) for step in zip(tickets, codes, strict=True)))
    assert [reply.status_code for reply in replies] == [200, 401, 403, 401, 200, 200]
    for user, reply in zip(users, replies, strict=True):
        events = [row["event"] for row in await app.audit(target_user_id=user.person.id)]
        opened = await app.db.fetch("SELECT id, amr FROM sessions WHERE user_id = $1", user.person.id)
        if reply.status_code == 200:
            assert events == ["auth.mfa.challenged", "auth.mfa.succeeded", "auth.login.succeeded"]
            assert [(str(row["id"]), row["amr"]) for row in opened] == [
                (reply.json()["data"]["sessionId"], ["pwd", "otp", "mfa"])
            ]
            [row] = await app.audit("auth.login.succeeded", target_user_id=user.person.id)
            assert (row["session_id"], row["outcome"], row["details"]) == (
                opened[0]["id"], "success", '{"amr": ["pwd", "otp", "mfa"]}',
            )  # fmt: skip
        else:
            assert opened == []
            assert "auth.login.succeeded" not in events


async def test_one_persons_sign_ins_at_once_each_open_a_session(app: Harness) -> None:
    person = await app.make_user()
    replies = await asyncio.gather(*(login(app, person) for _ in range(4)))
    assert {reply.status_code for reply in replies} == {200}
    opened = await app.db.fetch("SELECT id FROM sessions WHERE user_id = $1", person.id)
    assert {str(row["id"]) for row in opened} == {reply.json()["data"]["sessionId"] for reply in replies}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE users SET approval_status = 'REJECTED' WHERE id = $1",
        "UPDATE users SET token_version = token_version + 1 WHERE id = $1",
        "UPDATE one_time_tokens SET attempts_left = 0 WHERE user_id = $1",
        "UPDATE one_time_tokens SET purpose = 'mfa_setup' WHERE user_id = $1",
        "UPDATE one_time_tokens SET expires_at = created_at WHERE user_id = $1",
        "UPDATE totp_factors SET confirmed_at = NULL WHERE user_id = $1",
        "UPDATE totp_factors SET last_step = 1000 WHERE user_id = $1",
        "UPDATE totp_factors SET failures = 10, failures_since = now() + interval '1 year' WHERE user_id = $1",
    ],
)
async def test_what_changed_since_the_look_leaves_everything_unused(app: Harness, change: str) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    await app.db.execute(change, user.person.id)
    factor = await factors.find(app.db, user.person.id)
    before = await app.db.fetchrow("SELECT * FROM one_time_tokens WHERE user_id = $1", user.person.id)
    used = queries.using_code(Purpose.MFA_TICKET, token_hash(ticket), 1000)
    assert not await Openings(app.db).open(a_session(app, user.person.id), used)
    assert await factors.find(app.db, user.person.id) == factor
    assert await app.db.fetchrow("SELECT * FROM one_time_tokens WHERE user_id = $1", user.person.id) == before
    assert await app.db.fetchval("SELECT last_login_at FROM users WHERE id = $1", user.person.id) is None
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", user.person.id) == 0
    assert await app.audit("auth.mfa.succeeded", target_user_id=user.person.id) == []


async def test_what_is_as_it_should_be_is_used_up_once(app: Harness) -> None:
    user = await secured(app)
    hashed = token_hash(await ticket_for(app, user.person))
    openings, used = Openings(app.db), queries.using_code(Purpose.MFA_TICKET, hashed, 1000)
    tries = (openings.open(a_session(app, user.person.id), used) for _ in range(5))
    assert sorted(await asyncio.gather(*tries)) == [False, False, False, False, True]
    factor = await factors.find(app.db, user.person.id)
    assert factor is not None
    assert (factor.last_step, factor.failures) == (1000, 0)
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", user.person.id) == 1


def a_session(app: Harness, user_id: object) -> NewSession:
    now = app.clock.now()
    ids = sorted((uuid7(app.clock), uuid7(app.clock)))
    return NewSession(
        uuid7(app.clock), now, user_id, 1, now, ("pwd", "otp", "mfa"), bytea(b"x"), None, None, None, None, *ids
    )


async def test_a_right_code_opens_nothing_once_the_tries_are_used_up(app: Harness) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    await asyncio.gather(*(verify(app, ticket, user.wrong(app)) for _ in range(5)))
    assert_wrong(await verify(app, ticket, user.code(app)))
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", user.person.id) == 0


async def test_me_of_many_at_once_is_each_their_own_and_ended_sessions_are_none(app: Harness) -> None:
    browsers = []
    for _ in range(4):
        person, home = await app.make_user(), await tenant(app)
        await settle(app, person, home)
        browsers.append((person, home, await signed_in(app, person, home)))
    await app.db.execute("UPDATE sessions SET revoked_at = now() WHERE user_id = $1", browsers[1][0].id)
    await app.db.execute("UPDATE tenant_members SET is_active = false WHERE user_id = $1", browsers[2][0].id)
    replies = await asyncio.gather(*(browser.get("/me") for _, _, browser in browsers))
    assert [reply.status_code for reply in replies] == [200, 401, 401, 200]
    for (person, home, _), reply in zip(browsers, replies, strict=True):
        if reply.status_code == 200:
            assert (reply.json()["id"], reply.json()["tenant_id"]) == (str(person.id), str(home))
