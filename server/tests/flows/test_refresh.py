"""POST /auth/refresh: rotation, the same-successor window, reuse, and everything that ends a session."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from datetime import timedelta
from typing import Any

import pytest
from harness import Harness, Person, Servers, running

from identry.records import sessions

Reply = Any


async def refresh(app: Harness, token: object) -> Reply:
    return await app.http.post(
        "/auth/refresh", json={"refreshToken": token}, headers={"X-Forwarded-For": app.fresh_ip()}
    )


def successor(reply: Reply) -> str:
    assert reply.status_code == 200, reply.text
    token: str = reply.json()["data"]["refreshToken"]
    return token


def assert_refused(reply: Reply, code: str) -> None:
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, code), reply.text


def claims_of(reply: Reply) -> dict[str, Any]:
    payload = reply.json()["data"]["accessToken"].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


async def me(app: Harness, person: Person) -> Reply:
    return await app.http.get("/auth/me", headers=person.bearer)


async def test_the_answer_is_a_token_pair_of_the_same_session(app: Harness) -> None:
    person = await app.signed_in()
    reply = await refresh(app, person.refresh_token)
    assert reply.status_code == 200
    data = reply.json()["data"]
    assert set(data) == {
        "accessToken", "tokenType", "expiresIn", "refreshToken", "refreshExpiresIn", "sessionId",
    }  # fmt: skip
    assert data["sessionId"] == person.session_id
    assert data["refreshToken"] != person.refresh_token
    assert data["accessToken"] != person.access_token
    [row] = await app.audit("auth.refresh.rotated", target_user_id=person.id)
    assert str(row["session_id"]) == person.session_id
    assert row["actor_user_id"] == person.id


async def test_claims_are_read_again_from_the_row(app: Harness) -> None:
    person = await app.signed_in()
    await app.db.execute("UPDATE users SET global_role = 'PLATFORM_ADMIN' WHERE id = $1", person.id)
    claims = claims_of(await refresh(app, person.refresh_token))
    assert claims["globalRole"] == "PLATFORM_ADMIN"
    assert claims["amr"] == ["pwd"]


async def test_rotation_keeps_auth_time_and_horizon(app: Harness) -> None:
    person = await app.signed_in()
    started = (await sessions.find(app.db, person.session_id)).auth_time
    token = person.refresh_token
    for day in range(1, 4):
        app.clock.advance(timedelta(days=9))
        reply = await refresh(app, token)
        token = successor(reply)
        left = reply.json()["data"]["refreshExpiresIn"]
        assert abs(left - (30 - 9 * day) * 86400) < 10
        assert claims_of(reply)["auth_time"] == int(started.timestamp())
    app.clock.advance(timedelta(days=3, seconds=1))
    assert_refused(await refresh(app, token), "session_revoked")


async def test_only_the_hash_is_stored(app: Harness) -> None:
    person = await app.signed_in()
    token = successor(await refresh(app, person.refresh_token))
    row = await app.db.fetchrow("SELECT s::text AS text FROM sessions s WHERE id = $1", person.session_id)
    for raw in (person.refresh_token, token):
        assert raw not in row["text"]
        assert base64.urlsafe_b64decode(raw + "=").hex() not in row["text"]


async def test_a_repeat_inside_the_window_gets_the_same_successor(app: Harness) -> None:
    person = await app.signed_in()
    first = successor(await refresh(app, person.refresh_token))
    app.clock.advance(9)
    assert successor(await refresh(app, person.refresh_token)) == first
    assert len(await app.audit("auth.refresh.replayed", target_user_id=person.id)) == 1
    assert successor(await refresh(app, first)) != first


async def test_a_repeat_after_the_window_ends_the_family(app: Harness) -> None:
    person = await app.signed_in()
    current = successor(await refresh(app, person.refresh_token))
    app.clock.advance(10.5)
    assert_refused(await refresh(app, person.refresh_token), "session_revoked")
    assert_refused(await refresh(app, current), "session_revoked")
    assert_refused(await me(app, person), "session_revoked")
    [row] = await app.audit("auth.refresh.reuse_detected", target_user_id=person.id)
    assert (row["outcome"], row["actor_type"], str(row["session_id"])) == ("failure", "anonymous", person.session_id)
    details = json.loads(row["details"])
    assert (details["presentedGeneration"], details["currentGeneration"]) == (0, 1)
    assert person.refresh_token not in row["details"]


async def test_a_repeat_after_the_successor_was_used_ends_the_family(app: Harness) -> None:
    person = await app.signed_in()
    second = successor(await refresh(app, person.refresh_token))
    third = successor(await refresh(app, second))
    assert_refused(await refresh(app, person.refresh_token), "session_revoked")
    assert_refused(await refresh(app, third), "session_revoked")


async def test_reuse_ends_one_family_only(app: Harness) -> None:
    person = await app.signed_in()
    other = await app.sign_in(Person(person.id, person.email, person.password))
    successor(await refresh(app, person.refresh_token))
    app.clock.advance(11)
    assert_refused(await refresh(app, person.refresh_token), "session_revoked")
    assert (await me(app, other)).status_code == 200
    successor(await refresh(app, other.refresh_token))


async def test_reuse_is_audited_once(app: Harness) -> None:
    person = await app.signed_in()
    successor(await refresh(app, person.refresh_token))
    app.clock.advance(11)
    await asyncio.gather(*(refresh(app, person.refresh_token) for _ in range(10)))
    assert len(await app.audit("auth.refresh.reuse_detected", target_user_id=person.id)) == 1


async def test_a_clock_set_back_does_not_reopen_the_window(app: Harness) -> None:
    person = await app.signed_in()
    app.clock.advance(timedelta(hours=2))
    successor(await refresh(app, person.refresh_token))
    app.clock.advance(-timedelta(hours=1))
    assert_refused(await refresh(app, person.refresh_token), "session_revoked")


async def test_without_grace_every_repeat_is_reuse(servers: Servers) -> None:
    async with running(servers, REFRESH_GRACE="0") as app:
        person = await app.signed_in()
        successor(await refresh(app, person.refresh_token))
        assert_refused(await refresh(app, person.refresh_token), "session_revoked")
        person = await app.signed_in()
        replies = await asyncio.gather(*(refresh(app, person.refresh_token) for _ in range(20)))
        assert sorted(reply.status_code for reply in replies) == [200] + [401] * 19
        assert_refused(await me(app, person), "session_revoked")


_BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def forged(token: str) -> list[str]:
    data = bytearray(base64.urlsafe_b64decode(token + "="))
    flipped = bytes([*data[:-1], data[-1] ^ 1])
    other_session = secrets.token_bytes(16) + bytes(data[16:])
    other_generation = bytes(data[:16]) + (99).to_bytes(4, "big") + bytes(data[20:])
    return [
        "x",
        token[:-1],
        token + "A",
        token + "=",
        token.lower(),
        f" {token}",
        "A" * len(token),
        "é" * len(token),
        "/" * len(token),
        secrets.token_urlsafe(51),
        *(base64.urlsafe_b64encode(raw).rstrip(b"=").decode() for raw in (flipped, other_session, other_generation)),
        # The same bytes in a spelling that is not canonical.
        *(token[:-1] + _BASE64URL[_BASE64URL.index(token[-1]) + spare] for spare in (1, 2, 3)),
        *(token[:40] + other + token[41:] for other in "+/=\n"),
        token[:-4] + "\n" + token[-3:],
        token[:-1] + "=",
    ]


async def test_what_we_never_issued_is_unauthorized_and_harms_nobody(app: Harness) -> None:
    person = await app.signed_in()
    for token in forged(person.refresh_token):
        assert_refused(await refresh(app, token), "unauthorized")
    assert_refused(await refresh(app, person.access_token), "unauthorized")
    assert (await me(app, person)).status_code == 200
    successor(await refresh(app, person.refresh_token))


async def test_a_token_of_another_deployment_is_unauthorized(servers: Servers, app: Harness) -> None:
    async with running(servers, SECRET_KEY="another-" + "k" * 40) as other:
        person = await other.signed_in()
        assert_refused(await refresh(app, person.refresh_token), "unauthorized")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE users SET approval_status = 'REJECTED' WHERE id = $1",
        "UPDATE users SET approval_status = 'PENDING' WHERE id = $1",
        "UPDATE users SET token_version = token_version + 1 WHERE id = $1",
        "UPDATE sessions SET revoked_at = now() WHERE user_id = $1",
        "DELETE FROM sessions WHERE user_id = $1",
        "DELETE FROM users WHERE id = $1",
    ],
)
async def test_a_session_that_counts_no_more_does_not_refresh(app: Harness, change: str) -> None:
    person = await app.signed_in()
    await app.db.execute(change, person.id)
    assert_refused(await refresh(app, person.refresh_token), "session_revoked")
    assert_refused(await me(app, person), "session_revoked")


async def test_a_repeat_inside_the_window_is_refused_once_the_user_is_deactivated(app: Harness) -> None:
    person = await app.signed_in()
    successor(await refresh(app, person.refresh_token))
    await app.db.execute("UPDATE users SET is_active = false WHERE id = $1", person.id)
    assert_refused(await refresh(app, person.refresh_token), "session_revoked")


async def test_a_link_of_a_lost_history_is_refused_without_ending_the_session(app: Harness) -> None:
    """A restored backup holds an older generation; whoever holds a newer token is no thief."""
    person = await app.signed_in()
    row = await app.db.fetchrow("SELECT * FROM sessions WHERE id = $1", person.session_id)
    newer = successor(await refresh(app, person.refresh_token))
    await app.db.execute(
        """
        UPDATE sessions SET refresh_generation = 0, refresh_token_hash = $2, predecessor_hash = NULL,
               successor_sealed = NULL, rotated_at = NULL WHERE id = $1
        """,
        row["id"],
        row["refresh_token_hash"],
    )
    assert_refused(await refresh(app, newer), "unauthorized")
    assert (await me(app, person)).status_code == 200


async def test_a_damaged_successor_is_no_500_and_no_session(app: Harness) -> None:
    person = await app.signed_in()
    successor(await refresh(app, person.refresh_token))
    await app.db.execute("UPDATE sessions SET successor_sealed = 'garbage' WHERE id = $1", person.session_id)
    assert_refused(await refresh(app, person.refresh_token), "session_revoked")


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({}, "required"),
        ({"refreshToken": None}, "type"),
        ({"refreshToken": 5}, "type"),
        ({"refreshToken": ""}, "length"),
        ({"refreshToken": "x" * 1025}, "length"),
        ({"refreshToken": "x\x00"}, "format"),
    ],
)
async def test_a_bad_body_is_400(app: Harness, body: dict[str, Any], rule: str) -> None:
    reply = await app.http.post("/auth/refresh", json=body)
    assert reply.status_code == 400
    assert [(f["field"], f["rule"]) for f in reply.json()["error"]["details"]["fields"]] == [("refreshToken", rule)]


async def test_sixty_refreshes_a_minute_for_each_client_address(app: Harness) -> None:
    ip = app.fresh_ip()
    replies = await asyncio.gather(
        *(
            app.http.post("/auth/refresh", json={"refreshToken": "x"}, headers={"X-Forwarded-For": ip})
            for _ in range(70)
        )
    )
    assert sorted(reply.status_code for reply in replies) == [401] * 60 + [429] * 10
