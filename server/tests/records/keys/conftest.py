from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from services.clocks import SteadyClock
from services.databases import migrated_database

from identry.core import jose
from identry.core.clock import MovableClock
from identry.core.db import Database
from identry.core.embedded import EmbeddedPostgres
from identry.core.jose import PrivateKey
from identry.core.secrets import RootSecret, Sealer
from identry.flows.rotate_keys.service import SigningKeys
from identry.records.keys import KeyRing, KeySchedule

TTL = timedelta(hours=24)
SCHEDULE = KeySchedule.of(TTL)


@pytest.fixture(scope="session")
async def url(postgres: EmbeddedPostgres) -> str:
    """A database of its own: these tests empty the table."""
    return await migrated_database(postgres.url)


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    db = await Database.connect(url, patience=30)
    await db.execute("TRUNCATE signing_keys")
    yield db
    await db.close()


@pytest.fixture
def clock() -> MovableClock:
    return SteadyClock()


@pytest.fixture
def sealer() -> Sealer:
    return RootSecret(b"r" * 32).sealer("signing-keys")


@pytest.fixture
def keys(db: Database, clock: MovableClock, sealer: Sealer) -> SigningKeys:
    return SigningKeys(db, clock, sealer, SCHEDULE)


@pytest.fixture(scope="session")
def pems() -> list[PrivateKey]:
    """Three RSA keys, made once."""
    return [jose.generate_rsa() for _ in range(3)]


class Fleet:
    """Replicas on one database, as their operators start them."""

    def __init__(self, db: Database, clock: MovableClock, sealer: Sealer, keys: SigningKeys) -> None:
        self.db, self.clock, self.sealer, self.keys = db, clock, sealer, keys

    async def start(self, key: PrivateKey | None, kid: str = "default", **options: object) -> KeyRing:
        """A replica whose environment holds `key` under the name `kid`."""
        configured = jose.load_private_der(key.private_der(), kid) if key else None
        if configured:
            await self.keys.adopt(configured)
        ring = KeyRing(self.db, self.sealer, self.clock, SCHEDULE, configured=configured, **options)
        await ring.load()
        return ring


@pytest.fixture
def fleet(db: Database, clock: MovableClock, sealer: Sealer, keys: SigningKeys) -> Fleet:
    return Fleet(db, clock, sealer, keys)
