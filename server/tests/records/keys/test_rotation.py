"""The life of signing keys, on real rows with a moved clock: no token of a living key ever fails to verify."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from structlog.testing import capture_logs

from identry.core import jose
from identry.core.clock import MovableClock
from identry.core.db import Database
from identry.core.jose import PrivateKey
from identry.core.secrets import RootSecret
from identry.flows.rotate_keys.service import KeyConflict, KeyStillActive, RotationPending, SigningKeys, UnknownKey
from identry.records.keys import KeyRing, KeySchedule, NoSigningKey

LEAD, OVERLAP = timedelta(seconds=360), timedelta(hours=24, seconds=120)
SECOND = timedelta(seconds=1)


def kids(ring: KeyRing) -> list[str]:
    return [jwk["kid"] for jwk in ring.jwks().keys]


def verifies(token: str, ring: KeyRing) -> bool:
    """Whether an independent verifier with the JWKS of `ring` accepts `token`."""
    try:
        jws.deserialize_compact(
            token, KeySet.import_key_set(json.loads(ring.jwks().body)), algorithms=["RS256", "ES256"]
        )
    except JoseError:
        return False
    return True


def test_the_schedule_covers_cached_documents_and_the_longest_token():
    schedule = KeySchedule.of(timedelta(hours=24))
    assert schedule == KeySchedule(LEAD, OVERLAP)


async def test_the_configured_key_signs_and_is_the_only_one_published(fleet, pems: list[PrivateKey], db: Database):
    ring = await fleet.start(pems[0])
    assert ring.signer().kid == "default"
    assert verifies(ring.signer().sign({"sub": "1"}), ring)
    assert kids(ring) == ["default"]
    row = await db.fetchrow("SELECT * FROM signing_keys")
    assert row["private_key_encrypted"] is None
    assert row["source"] == "configured"


async def test_starting_again_with_the_same_key_changes_nothing(fleet, pems: list[PrivateKey], clock: MovableClock):
    first = await fleet.start(pems[0])
    clock.advance(timedelta(days=3))
    second = await fleet.start(pems[0])
    assert first.jwks() == second.jwks()
    assert first.active_since() == second.active_since()


async def test_a_rotation_publishes_first_signs_later_and_forgets_last(fleet, keys: SigningKeys, clock, pems):
    """Two replicas through a whole rotation; neither is told when to switch."""
    here, there = await fleet.start(pems[0]), await fleet.start(pems[0])
    old_token = here.signer().sign({"sub": "1"})
    new = await keys.rotate()
    await here.load()
    await there.load()
    assert kids(here) == kids(there) == ["default", new.kid]
    assert here.signer().kid == "default"

    clock.advance(LEAD - SECOND)
    assert here.signer().kid == "default"
    last_token = here.signer().sign({"sub": "1"})
    clock.advance(2 * SECOND)
    assert here.signer().kid == there.signer().kid == new.kid, "activation needs no reload"
    assert kids(here) == [new.kid, "default"]
    new_token = there.signer().sign({"sub": "1"})
    assert all(verifies(token, ring) for token in (old_token, last_token, new_token) for ring in (here, there))

    clock.advance(OVERLAP - 2 * SECOND)
    assert verifies(last_token, here)
    clock.advance(2 * SECOND)
    assert kids(here) == kids(there) == [new.kid]
    assert not verifies(last_token, here)
    assert verifies(new_token, here)


async def test_the_states_are_listed_through_a_rotation(fleet, keys: SigningKeys, clock: MovableClock, pems):
    await fleet.start(pems[0])

    async def states() -> dict[str, str]:
        return {status.key.source: status.state.value for status in await keys.list("default")}

    assert await states() == {"configured": "active"}
    await keys.rotate()
    assert await states() == {"configured": "active", "managed": "published"}
    clock.advance(LEAD)
    assert await states() == {"configured": "retiring", "managed": "active"}
    clock.advance(OVERLAP)
    assert await states() == {"configured": "retired", "managed": "active"}
    assert all(status.usable for status in await keys.list("default"))
    assert not all(status.usable for status in await keys.list())


async def test_a_second_rotation_waits_for_the_first(fleet, keys: SigningKeys, clock: MovableClock, pems):
    await fleet.start(pems[0])
    first = await keys.rotate()
    with pytest.raises(RotationPending, match=first.kid):
        await keys.rotate()
    clock.advance(LEAD)
    assert (await keys.rotate()).kid != first.kid


async def test_rotating_now_signs_at_once_and_keeps_the_old_key_published(fleet, keys: SigningKeys, pems):
    ring = await fleet.start(pems[0])
    token = ring.signer().sign({})
    new = await keys.rotate(now=True, algorithm="ES256")
    await ring.load()
    assert ring.signer().kid == new.kid
    assert ring.signer().alg == "ES256"
    assert verifies(token, ring)
    assert verifies(ring.signer().sign({}), ring)


async def test_a_restart_with_another_pem_and_kid_keeps_the_old_key_until_its_tokens_are_gone(fleet, clock, pems):
    before = await fleet.start(pems[0], "2026-01")
    token = before.signer().sign({})
    clock.advance(timedelta(days=30))
    after = await fleet.start(pems[1], "2026-02")
    assert after.signer().kid == "2026-02"
    assert kids(after) == ["2026-02", "2026-01"]
    assert verifies(token, after)
    clock.advance(OVERLAP + SECOND)
    assert kids(after) == ["2026-02"]


async def test_a_rolling_restart_slower_than_the_overlap_loses_no_token(fleet, clock: MovableClock, pems):
    """The replica with the old PEM goes on signing; as long as it does, everybody keeps its key."""
    old = await fleet.start(pems[0], "old")
    new = await fleet.start(pems[1], "new")
    for _ in range(40):
        clock.advance(timedelta(hours=1))
        await old.load()
        await new.load()
    assert (old.signer().kid, new.signer().kid) == ("old", "new")
    token = old.signer().sign({})
    assert verifies(token, new)
    assert verifies(new.signer().sign({}), old)
    clock.advance(OVERLAP + 61 * SECOND)  # the old replica is gone now
    await new.load()
    assert kids(new) == ["new"]


async def test_going_back_to_the_previous_pem_works_even_after_it_was_forgotten(fleet, clock: MovableClock, pems):
    await fleet.start(pems[0], "old")
    new = await fleet.start(pems[1], "new")
    clock.advance(OVERLAP + timedelta(days=1))
    assert kids(new) == ["new"]
    back = await fleet.start(pems[0], "old")
    await new.load()
    assert back.signer().kid == "old"
    assert verifies(back.signer().sign({}), back)
    assert verifies(back.signer().sign({}), new)


async def test_an_unknown_kid_is_looked_up_before_it_is_refused(fleet, clock: MovableClock, pems):
    here = await fleet.start(pems[0], "old")
    await fleet.start(pems[1], "new")
    assert here.peek("new") is None
    found = await asyncio.gather(*(here.get("new") for _ in range(50)))
    assert {key and key.kid for key in found} == {"new"}, "also for those who ask while another is asking"
    assert await here.get("never") is None


async def test_random_kids_do_not_become_queries(fleet, pems: list[PrivateKey], db: Database):
    ring = await fleet.start(pems[0])
    assert await ring.get("first") is None
    await db.execute("TRUNCATE signing_keys")
    for number in range(1000):
        assert await ring.get(f"random {number}") is None
    assert kids(ring) == ["default"], "the emptied table was not read"


async def test_the_same_kid_for_another_key_is_a_clear_conflict(fleet, pems: list[PrivateKey], db: Database):
    await fleet.start(pems[0], "default")
    with pytest.raises(KeyConflict, match="JWT_KID 'default' already names another key; choose a new JWT_KID"):
        await fleet.start(pems[1], "default")
    assert await db.fetchval("SELECT count(*) FROM signing_keys") == 1


async def test_a_withdrawn_key_is_gone_at_once_and_a_successor_signs(fleet, keys: SigningKeys, pems):
    ring = await fleet.start(pems[0], "leaked")
    token = ring.signer().sign({})
    successor = await keys.retire("leaked", now=True)
    assert successor is not None
    await ring.load()
    assert kids(ring) == [successor.kid]
    assert ring.signer().kid == successor.kid
    assert not verifies(token, ring)
    assert verifies(ring.signer().sign({}), ring)


@pytest.mark.parametrize("kid", ["leaked", "renamed"])
async def test_a_withdrawn_key_cannot_come_back_under_any_name(fleet, keys: SigningKeys, pems, kid: str):
    await fleet.start(pems[0], "leaked")
    await keys.retire("leaked", now=True)
    with pytest.raises(KeyConflict, match="was withdrawn"):
        await fleet.start(pems[0], kid)


async def test_withdrawing_an_older_key_makes_no_successor(fleet, keys: SigningKeys, pems):
    await fleet.start(pems[0], "old")
    ring = await fleet.start(pems[1], "new")
    assert await keys.retire("old", now=True) is None
    await ring.load()
    assert kids(ring) == ["new"]


async def test_withdrawing_while_a_rotation_waits_lets_it_happen(fleet, keys: SigningKeys, clock: MovableClock, pems):
    ring = await fleet.start(pems[0], "leaked")
    waiting = await keys.rotate()
    successor = await keys.retire("leaked", now=True)
    await ring.load()
    assert ring.signer().kid == successor.kid
    assert kids(ring) == [successor.kid, waiting.kid]
    clock.advance(LEAD)
    assert ring.signer().kid == waiting.kid


async def test_the_signing_key_is_not_retired_in_good_order_without_a_successor(fleet, keys: SigningKeys, pems):
    await fleet.start(pems[0])
    with pytest.raises(KeyStillActive, match="rotate first"):
        await keys.retire("default")
    with pytest.raises(UnknownKey):
        await keys.retire("nobody")


async def test_an_old_key_without_a_holder_can_be_retired(fleet, keys: SigningKeys, clock: MovableClock, pems, db):
    await fleet.start(pems[0], "old")
    ring = await fleet.start(pems[1], "new")
    await db.execute("UPDATE signing_keys SET retire_at = NULL WHERE kid = 'old'")
    await keys.retire("old")
    await ring.load()
    assert kids(ring) == ["new", "old"]
    clock.advance(OVERLAP)
    assert kids(ring) == ["new"]


async def test_another_root_secret_cannot_use_managed_keys_and_says_so_once(fleet, keys, db, clock, pems):
    await fleet.start(pems[0])
    managed = await keys.rotate(now=True)
    other = RootSecret(b"x" * 32).sealer("signing-keys")
    ring = KeyRing(db, other, clock, KeySchedule.of(timedelta(hours=24)))
    with capture_logs() as lines:
        await ring.load()
        await ring.load()
    assert managed.kid in kids(ring), "it is published all the same: others sign with it"
    with pytest.raises(NoSigningKey):
        ring.signer()
    assert [line["kid"] for line in lines if "kid" in line] == [managed.kid]


async def test_a_private_half_moved_to_another_row_does_not_open(fleet, keys: SigningKeys, clock, pems, db: Database):
    await fleet.start(pems[0])
    first = await keys.rotate(now=True)
    clock.advance(1)
    second = await keys.rotate(now=True)
    await db.execute(
        "UPDATE signing_keys SET private_key_encrypted = $1 WHERE kid = $2", first.private_key_encrypted, second.kid
    )
    ring = await fleet.start(pems[0])
    assert ring.signer().kid == first.kid


async def test_no_private_member_is_stored_or_published(fleet, keys: SigningKeys, pems, db: Database):
    ring = await fleet.start(pems[0])
    managed = await keys.rotate(now=True, algorithm="ES256")
    await ring.load()
    private = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
    for jwk in json.loads(ring.jwks().body)["keys"]:
        assert not private & jwk.keys()
    dump = str([tuple(row) for row in await db.fetch("SELECT * FROM signing_keys")]).encode()
    held = ring._held[managed.kid]
    assert held.private_der()[-32:] not in bytes(managed.private_key_encrypted or b"")
    assert b"PRIVATE" not in dump


async def test_the_database_refuses_a_private_member(db: Database):
    with pytest.raises(Exception, match="check constraint"):
        await db.execute(
            "INSERT INTO signing_keys (kid, algorithm, public_jwk, source, created_at, activate_at) "
            """VALUES ('x', 'RS256', '{"kty": "RSA", "d": "AQAB"}', 'configured', now(), now())"""
        )


@pytest.mark.parametrize("jwk", ['{"kty": "oct"}', "[]", '{"kty": "RSA", "n": 5, "e": "AQAB"}', '"text"', "{}"])
async def test_a_damaged_row_harms_no_other_key(fleet, pems: list[PrivateKey], db: Database, jwk: str):
    ring = await fleet.start(pems[0])
    await db.execute(
        "INSERT INTO signing_keys (kid, algorithm, public_jwk, source, created_at, activate_at) "
        "VALUES ('bad', 'RS256', $1::text::jsonb, 'configured', now() - interval '1 day', now() - interval '1 day')",
        jwk,
    )
    with capture_logs() as lines:
        await ring.load()
    assert kids(ring) == ["default"]
    assert [line["kid"] for line in lines if "damaged" in line["event"]] == ["bad"]
    await fleet.start(pems[0])


async def test_a_clock_that_steps_back_brings_the_earlier_state_back(fleet, keys: SigningKeys, clock, pems):
    ring = await fleet.start(pems[0])
    new = await keys.rotate()
    await ring.load()
    clock.advance(LEAD)
    assert ring.signer().kid == new.kid
    clock.advance(-LEAD)
    assert ring.signer().kid == "default"


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_every_algorithm_survives_sealing(alg: jose.Algorithm, sealer):
    key = jose.generate(alg)
    der = sealer.open(sealer.seal(key.private_der(), key.kid.encode()), key.kid.encode())
    assert jose.load_private_der(der, key.kid).jwk == key.jwk


async def test_a_key_of_age_gets_one_successor_however_many_replicas_look(fleet, keys, clock, pems) -> None:
    """Published, then signing, then the old one leaves: by the clock alone, and not again before its time."""
    ring = await fleet.start(pems[0])
    month = timedelta(days=30)
    assert await keys.rotate_by_age(month) == 0
    clock.advance(month)
    assert sorted(await asyncio.gather(*(keys.rotate_by_age(month) for _ in range(8)))) == [0] * 7 + [1]
    await ring.load()
    assert (ring.signer().kid, len(ring.kids)) == ("default", 2)
    assert await keys.rotate_by_age(month) == 0, "its successor waits"
    clock.advance(LEAD)
    successor = ring.signer()
    assert (successor.kid != "default", successor.alg, len(ring.kids)) == (True, "RS256", 2)
    clock.advance(OVERLAP + SECOND)
    assert list(ring.kids) == [successor.kid]
    assert await keys.rotate_by_age(month) == 0, "it is young"


async def test_a_successor_is_of_the_same_algorithm(fleet, keys, clock, pems) -> None:
    ring = await fleet.start(pems[0])
    await keys.rotate(now=True, algorithm="ES256")
    clock.advance(86_400)
    assert await keys.rotate_by_age(timedelta(days=1)) == 1
    clock.advance(LEAD)
    await ring.load()
    assert ring.signer().alg == "ES256"
