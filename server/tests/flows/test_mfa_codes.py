"""The codes of a second factor: each once, few tries, unreadable at rest."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from harness import Harness, Servers, running
from second_factor import assert_wrong, secured, ticket_for, verify

from identry.core import totp
from identry.core.secrets import SealError
from identry.records import factors, users


@pytest.mark.parametrize("spelling", ["shown", "lower", "bare", "spaced", "lookalikes"])
async def test_a_recovery_code_signs_in_once(app: Harness, spelling: str) -> None:
    user = await secured(app, codes=True)
    code = user.codes[3]
    typed = {
        "shown": code,
        "lower": code.lower(),
        "bare": code.replace("-", ""),
        "spaced": " ".join(code),
        "lookalikes": code.replace("1", "l").replace("0", "o"),
    }[spelling]
    assert (await verify(app, await ticket_for(app, user.person), typed)).status_code == 200
    assert_wrong(await verify(app, await ticket_for(app, user.person), code))
    assert await factors.count_codes(app.db, user.person.id) == 9
    [row] = await app.audit("auth.mfa.succeeded", target_user_id=user.person.id)
    assert json.loads(row["details"]) == {"factor": "recovery_code"}
    assert (await verify(app, await ticket_for(app, user.person), user.codes[4])).status_code == 200


async def test_every_recovery_code_works(app: Harness) -> None:
    user = await secured(app, codes=True)
    assert len(set(user.codes)) == 10
    for code in user.codes:
        assert (await verify(app, await ticket_for(app, user.person), code)).status_code == 200
    assert await factors.count_codes(app.db, user.person.id) == 0


async def test_somebody_elses_recovery_code_is_worthless(app: Harness) -> None:
    mine, theirs = await secured(app, codes=True), await secured(app, codes=True)
    assert_wrong(await verify(app, await ticket_for(app, mine.person), theirs.codes[0]))
    assert await factors.count_codes(app.db, theirs.person.id) == 10


async def test_new_recovery_codes_void_the_old(app: Harness) -> None:
    user = await secured(app, codes=True)
    engines = app.app.engines
    made = engines.recovery_codes.new(user.person.id)
    hashes = {selector: await engines.passwords.hash(code) for selector, code in made.items()}
    async with app.db.transaction() as tx:
        await factors.replace_codes(tx, user.person.id, hashes, app.clock)
    assert_wrong(await verify(app, await ticket_for(app, user.person), user.codes[0]))


async def test_of_many_uses_of_one_recovery_code_one_succeeds(app: Harness) -> None:
    for _ in range(5):
        user = await secured(app, codes=True)
        ticket = await ticket_for(app, user.person)
        replies = await asyncio.gather(*(verify(app, ticket, user.codes[0]) for _ in range(5)))
        assert sorted(reply.status_code for reply in replies) == [200, 401, 401, 401, 401]


async def test_a_code_is_accepted_once_over_all_sign_ins(app: Harness) -> None:
    user = await secured(app)
    code = user.code(app)
    assert (await verify(app, await ticket_for(app, user.person), code)).status_code == 200
    ticket = await ticket_for(app, user.person)
    assert_wrong(await verify(app, ticket, code))
    assert_wrong(await verify(app, ticket, user.code(app, -1)))
    app.clock.advance(30)
    assert (await verify(app, ticket, user.code(app))).status_code == 200, "the ticket kept its other tries"


async def test_an_earlier_step_is_dead_after_a_later_one(app: Harness) -> None:
    user = await secured(app)
    assert (await verify(app, await ticket_for(app, user.person), user.code(app, 1))).status_code == 200
    assert_wrong(await verify(app, await ticket_for(app, user.person), user.code(app, 0)))


async def test_a_clock_set_back_revives_no_code(app: Harness) -> None:
    user = await secured(app)
    code = user.code(app)
    assert (await verify(app, await ticket_for(app, user.person), code)).status_code == 200
    app.clock.advance(-3600)
    assert_wrong(await verify(app, await ticket_for(app, user.person), user.code(app)))


async def test_of_fifty_sign_ins_with_one_code_one_succeeds(servers: Servers, app: Harness) -> None:
    user = await secured(app)
    async with running(servers) as second:
        ticket = await ticket_for(app, user.person)
        # Five tries belong to a ticket; the others find it used up, whichever instance they ask.
        replies = await asyncio.gather(*(verify((app, second)[i % 2], ticket, user.code(app)) for i in range(50)))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert {reply.status_code for reply in replies} <= {200, 401, 429}
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", user.person.id) == 1


async def test_ten_wrong_codes_lock_the_account_over_new_sign_ins(app: Harness) -> None:
    user = await secured(app)
    begun = ""
    for _ in range(2):
        begun = await ticket_for(app, user.person)
        for _ in range(5):
            assert_wrong(await verify(app, begun, user.wrong(app)))
    fresh = await ticket_for(app, user.person)
    reply = await verify(app, fresh, user.code(app))
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "rate_limited")
    assert 0 < int(reply.headers["Retry-After"]) <= 900
    app.clock.advance(timedelta(minutes=15, seconds=1))
    assert (await verify(app, await ticket_for(app, user.person), user.code(app))).status_code == 200


async def test_guesses_in_parallel_get_no_more_than_five(app: Harness) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    await asyncio.gather(*(verify(app, ticket, user.wrong(app)) for _ in range(20)))
    rows = await app.audit("auth.mfa.failed", target_user_id=user.person.id)
    assert [json.loads(row["details"])["reason"] for row in rows].count("wrong code") <= 5
    factor = await factors.find(app.db, user.person.id)
    assert factor.failures <= 10


async def test_right_codes_are_not_counted(app: Harness) -> None:
    user = await secured(app)
    for _ in range(12):
        app.clock.advance(60)
        assert (await verify(app, await ticket_for(app, user.person), user.code(app))).status_code == 200
    assert (await factors.find(app.db, user.person.id)).failures == 0


async def test_malformed_codes_count_as_wrong_ones(app: Harness) -> None:
    user = await secured(app)
    ticket = await ticket_for(app, user.person)
    for code in ("-", "12345", "1234567", "١٢٣٤٥٦", "AAAAA-AAAAU"):
        assert_wrong(await verify(app, ticket, code))
    assert_wrong(await verify(app, ticket, user.code(app)))
    assert (await factors.find(app.db, user.person.id)).failures == 5


async def test_thirty_tries_a_minute_for_each_client_address(app: Harness) -> None:
    ip = app.fresh_ip()
    replies = await asyncio.gather(*(verify(app, "x", "123456", ip) for _ in range(33)))
    assert sorted(reply.status_code for reply in replies) == [401] * 30 + [429] * 3


async def test_secrets_and_codes_are_not_readable_at_rest(app: Harness) -> None:
    user = await secured(app, codes=True)
    factor = await app.db.fetchrow("SELECT f::text AS text FROM totp_factors f WHERE user_id = $1", user.person.id)
    assert user.secret not in factor["text"]
    assert base64.b32decode(user.secret).hex() not in factor["text"]
    rows = await app.db.fetch("SELECT code_hash FROM recovery_codes WHERE user_id = $1", user.person.id)
    assert all(row["code_hash"].startswith("$argon2id$") for row in rows)


async def test_a_row_moved_to_another_user_does_not_open(app: Harness) -> None:
    mine, theirs = await secured(app), await secured(app)
    await app.db.execute(
        """
        UPDATE totp_factors SET secret_encrypted = (SELECT secret_encrypted FROM totp_factors WHERE user_id = $2)
        WHERE user_id = $1
        """,
        theirs.person.id,
        mine.person.id,
    )
    with pytest.raises(SealError):
        app.app.engines.totp_secrets.open(await factors.find(app.db, theirs.person.id))
    reply = await verify(app, await ticket_for(app, theirs.person), mine.code(app))
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "service_unavailable")


async def test_enrolment_keeps_the_users_flag_in_step(app: Harness) -> None:
    person = await app.make_user()
    engines, now = app.app.engines, app.clock.now()
    key_id = engines.totp_secrets.key_id
    first, second = (engines.totp_secrets.seal(person.id, totp.new_secret()) for _ in range(2))
    async with app.db.transaction() as tx:
        assert await factors.enrol(tx, person.id, first, key_id, now)
        assert await factors.enrol(tx, person.id, second, key_id, now), "an unconfirmed one is replaced"
        assert not await factors.confirm(tx, person.id, first, 5, now)
        assert not (await users.find(tx, person.id)).mfa_enabled
        assert await factors.confirm(tx, person.id, second, 5, now)
        assert (await users.find(tx, person.id)).mfa_enabled
        assert not await factors.enrol(tx, person.id, first, key_id, now), "a confirmed one is not"
        assert not await factors.confirm(tx, person.id, second, 6, now)
        assert not await factors.advance(tx, person.id, 5)
        assert await factors.remove(tx, person.id, now)
        assert not (await users.find(tx, person.id)).mfa_enabled
        assert not await factors.remove(tx, person.id, now)


@pytest.fixture
async def rekeyed(servers: Servers) -> AsyncIterator[Harness]:
    async with running(servers, SECRET_KEY="another-" + "k" * 40) as app:
        yield app


async def test_a_secret_under_a_lost_key_is_an_outage_and_no_wrong_code(app: Harness, rekeyed: Harness) -> None:
    user = await secured(app)
    reply = await verify(rekeyed, await ticket_for(rekeyed, user.person), user.code(rekeyed))
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "service_unavailable")
    assert int(reply.headers["Retry-After"]) >= 1
    assert (await factors.find(app.db, user.person.id)).failures == 0
