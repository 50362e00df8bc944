"""The ring as a running part: background reloads, outages, races, what it tells others."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from identry.core import jose
from identry.core.clock import MovableClock
from identry.core.db import Database
from identry.core.jose import PrivateKey
from identry.flows.discovery.service import jwks_document
from identry.flows.rotate_keys.service import RotationPending, SigningKeys
from identry.records.keys import KeyRing
from identry_kit.apierror import ServiceUnavailable
from identry_kit.jwtauth import InvalidToken, Verifier

SCHEDULE_END = timedelta(hours=24, seconds=121)


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_running_ring_learns_of_others_keys_by_itself(fleet, keys: SigningKeys, pems: list[PrivateKey]):
    ring = await fleet.start(pems[0], interval=0.05)
    ring.start()
    new = await keys.rotate(now=True)
    await until(lambda: ring.signer().kid == new.kid)
    await ring.close()


async def test_an_outage_keeps_the_known_keys_and_ends_by_itself(fleet, pems, db: Database):
    ring = await fleet.start(pems[0], interval=0.05)
    ring.start()
    with capture_logs() as lines:
        await db.close()
        await until(lambda: ring.failures >= 3)
    assert ring.signer().kid == "default"
    assert len([line for line in lines if "signing keys" in line["event"]]) == 1, "said once"
    with pytest.raises(ServiceUnavailable):
        await ring.load()
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            await ring.get("new")
    await db.open()
    await until(lambda: ring.failures == 0)
    await ring.close()


async def test_an_unexpected_error_does_not_end_the_reloading(fleet, pems, db: Database):
    ring = await fleet.start(pems[0], interval=0.05)
    ring.start()
    await db.execute("ALTER TABLE signing_keys RENAME TO elsewhere")
    await until(lambda: ring.failures >= 2)
    await db.execute("ALTER TABLE elsewhere RENAME TO signing_keys")
    await until(lambda: ring.failures == 0)
    assert ring.signer().kid == "default"
    await ring.close()
    await ring.close()


async def test_replicas_that_start_at_once_adopt_the_key_once(fleet, pems, db: Database):
    rings = await asyncio.gather(*(fleet.start(pems[0]) for _ in range(8)))
    assert len({ring.jwks().etag for ring in rings}) == 1
    assert await db.fetchval("SELECT count(*) FROM signing_keys") == 1


async def test_rotations_asked_for_at_once_make_one_key(fleet, keys: SigningKeys, pems, db: Database):
    await fleet.start(pems[0])
    results = await asyncio.gather(*(keys.rotate() for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(result, RotationPending) for result in results) == 3
    assert await db.fetchval("SELECT count(*) FROM signing_keys") == 2


async def test_the_document_is_cacheable_and_answers_304_to_its_own_tag(fleet, keys: SigningKeys, pems):
    ring = await fleet.start(pems[0])
    status, headers, body = jwks_document(ring)
    assert status == 200
    assert headers["Cache-Control"] == "public, max-age=300"
    assert body.startswith(b'{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"default","n":"')
    etag = headers["ETag"]
    for asked in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        status, again, nothing = jwks_document(ring, asked)
        assert (status, nothing) == (304, b"")
        assert again["ETag"] == etag
    for asked in ("", '"other"', etag.strip('"'), "nonsense,,"):
        assert jwks_document(ring, asked)[0] == 200
    await keys.rotate()
    await ring.load()
    assert jwks_document(ring, etag)[0] == 200


async def test_the_ring_is_the_key_set_of_the_verifier(fleet, keys: SigningKeys, clock, pems):
    """A token that was verified before falls with its key, at the instant, without a reload."""
    before = await fleet.start(pems[0], "old")
    here = await fleet.start(pems[1], "new")
    verifier = verifier_of(here, clock)
    now = int(clock.timestamp())
    claims = {"iss": "me", "aud": "you", "sub": "1", "iat": now, "exp": now + 10**6}
    old, new = before.signer().sign(claims), here.signer().sign(claims)
    assert (await verifier.verify(old)).sub == verifier.verify_now(new).sub == "1"
    clock.advance(SCHEDULE_END)
    with pytest.raises(InvalidToken):
        await verifier.verify(old)
    assert (await verifier.verify(new)).sub == "1"
    await keys.retire("new", now=True)
    await here.load()
    with pytest.raises(InvalidToken):
        await verifier.verify(new)


async def test_a_token_of_a_replica_that_started_since_the_last_reload_verifies(fleet, clock, pems):
    here, there = await fleet.start(pems[0], "old"), await fleet.start(pems[1], "new")
    now = int(clock.timestamp())
    token = there.signer().sign({"iss": "me", "aud": "you", "sub": "1", "iat": now, "exp": now + 60})
    assert (await verifier_of(here, clock).verify(token)).sub == "1"


def verifier_of(ring: KeyRing, clock: MovableClock) -> Verifier:
    return Verifier(ring, issuer="me", audience="you", algorithms=jose.ALGORITHMS, clock=clock.timestamp)


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
async def test_the_kits_verifier_reads_what_we_sign(fleet, keys: SigningKeys, clock, pems, alg: jose.Algorithm):
    ring = await fleet.start(pems[0])
    await keys.rotate(now=True, algorithm=alg)
    await ring.load()
    now = int(clock.timestamp())
    token = ring.signer().sign({"iss": "me", "aud": "you", "sub": "ünï", "iat": now, "exp": now + 60})
    verifier = Verifier(ring, issuer="me", audience="you", algorithms=[alg], clock=clock.timestamp)
    assert (await verifier.verify(token)).sub == "ünï"
