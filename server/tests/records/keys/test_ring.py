"""The ring as a running part: background reloads, outages, races, what it tells others."""

from __future__ import annotations

import asyncio

import pytest

from identry.core.db import Database
from identry.core.jose import PrivateKey
from identry.flows.discovery.service import jwks_document
from identry.flows.rotate_keys.service import RotationPending, SigningKeys
from identry_kit.apierror import ServiceUnavailable


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_running_ring_learns_of_others_keys_by_itself(fleet, keys: SigningKeys, pems: list[PrivateKey]):
    seen: list[list[str]] = []
    ring = await fleet.start(pems[0], interval=0.05, on_change=lambda jwks: seen.append([jwk["kid"] for jwk in jwks]))
    ring.start()
    new = await keys.rotate(now=True)
    await until(lambda: ring.signer().kid == new.kid)
    await ring.close()
    assert seen == [["default"], [new.kid, "default"]], "told once for each change"


async def test_an_outage_keeps_the_known_keys_and_ends_by_itself(fleet, pems, db: Database, url: str, caplog):
    ring = await fleet.start(pems[0], interval=0.05)
    ring.start()
    await db.close()
    await until(lambda: ring.failures >= 3)
    assert ring.signer().kid == "default"
    assert caplog.text.count("cannot be reloaded") == 1
    with pytest.raises(ServiceUnavailable):
        await ring.load()
    assert not await ring.knows("new")
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
        assert "Content-Type" not in again
    for asked in ("", '"other"', etag.strip('"'), "nonsense,,"):
        assert jwks_document(ring, asked)[0] == 200
    await keys.rotate()
    await ring.load()
    assert jwks_document(ring, etag)[0] == 200
