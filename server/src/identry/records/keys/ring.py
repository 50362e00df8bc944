"""The key ring: what one process signs with and publishes, kept current from `signing_keys`.

Purely time-driven: between two reloads a key that was published in advance becomes active, and a retired one leaves,
at its instant, also while the database is down. Reloading (every ~10 s, jittered) only brings in what others changed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import structlog

from identry.core import jose
from identry.core.clock import Clock
from identry.core.db import Executor, Unavailable
from identry.core.jose import PrivateKey
from identry.core.secrets import Sealer, SealError
from identry.core.tasks import apart, spread
from identry.records.keys import table
from identry.records.keys.table import KeySchedule, SigningKey
from identry_kit.apierror import ServiceUnavailable
from identry_kit.jwtauth import Key

_log = structlog.get_logger(__name__)

Jwk = Mapping[str, str]

_FOREVER = float("inf")
_EXTEND_EVERY = timedelta(seconds=60)
_ASK_AGAIN = 1.0


class NoSigningKey(ServiceUnavailable):
    """503: this process holds no key that may sign (all were revoked, or the root secret changed)."""

    def __init__(self) -> None:
        super().__init__("no usable signing key; run `identry keys rotate --now`", headers={"Retry-After": "10"})


@dataclass(frozen=True, slots=True)
class JwkSet:
    """What `/.well-known/jwks.json` serves.

    Attributes:
        keys: public JWKs, the active one first.
        verifying: the same, ready to verify with, by kid.
        body: the JSON document.
        etag: strong entity tag of `body`, with its quotes.
    """

    keys: tuple[Jwk, ...]
    verifying: Mapping[str, Key]
    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class _View:
    """What the rows mean from `since` until `until` (seconds since the epoch)."""

    since: float
    until: float
    active: SigningKey | None
    signer: PrivateKey | None
    jwks: JwkSet


class KeyRing:
    """The signing keys of one process; also the key set (`identry_kit.jwtauth.Keys`) of its own verifier.

    Args:
        db: where the rows are.
        sealer: opens the private halves of managed keys (AAD: the kid).
        clock: the time.
        schedule: how long a superseded key stays published.
        configured: the key of `JWT_SIGNING_KEY_PEM`, adopted before (`flows.rotate_keys`).
        interval: mean seconds between reloads.
    """

    def __init__(
        self,
        db: Executor,
        sealer: Sealer,
        clock: Clock,
        schedule: KeySchedule,
        *,
        configured: PrivateKey | None = None,
        interval: float = 10.0,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._clock = clock
        self._schedule = schedule
        self._interval = interval
        self._held: dict[str, PrivateKey] = {configured.kid: configured} if configured else {}
        self._unusable: set[str] = set()
        self._rows: list[SigningKey] = []
        self._view = _View(_FOREVER, _FOREVER, None, None, _jwk_set([]))
        self._reloading = asyncio.Lock()
        self._asked_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self.failures = 0
        """Reloads that failed since the last one that succeeded."""

    complete = True
    """No key set but this one decides: what `peek` does not know is not fetched from elsewhere."""

    async def load(self) -> None:
        """Read the rows; the previous ones stay when that fails.

        Raises:
            ServiceUnavailable: the database cannot answer.
        """
        async with self._reloading:
            try:
                self._rows = await table.list_all(self._db)
            except ServiceUnavailable as error:
                self._outage(error)
                raise
            for row in self._rows:
                self._unseal(row)
            self._rebuild(self._clock.now())
            await self._keep_active_published()
            self.failures = 0

    def signer(self) -> PrivateKey:
        """The key to sign with now.

        Raises:
            NoSigningKey: there is none.
        """
        if (signer := self._current().signer) is None:
            raise NoSigningKey
        return signer

    def jwks(self) -> JwkSet:
        """The public keys as published now: waiting, active and retiring ones."""
        return self._current().jwks

    def active_since(self) -> datetime | None:
        """Since when the active key may sign (the metrics' key age); None without one."""
        active = self._current().active
        return active.activate_at if active else None

    @property
    def kids(self) -> Collection[str]:
        """The ids of the published keys."""
        return self.jwks().verifying.keys()

    def peek(self, kid: str) -> Key | None:
        """The published key `kid`, as far as this process knows."""
        return self._current().jwks.verifying.get(kid)

    async def get(self, kid: str) -> Key | None:
        """As `peek`; an unknown `kid` makes the ring look into the table first, at most once a second.

        A replica that was just started with another key signs before the next reload here.

        Raises:
            ServiceUnavailable: unknown, and the database cannot tell.
        """
        if (key := self.peek(kid)) is not None:
            return key
        if self._asking is None and abs(self._clock.timestamp() - self._asked_at) >= _ASK_AGAIN:
            self._asked_at = self._clock.timestamp()
            self._asking = apart(self.load(), "key ring look-up")
            self._asking.add_done_callback(self._asked)
        if self._asking is not None:
            await asyncio.shield(self._asking)  # everybody who meets the new kid at once waits for the one look-up
        elif self.failures:
            raise Unavailable("the signing keys could not be read")
        return self.peek(kid)

    def start(self) -> None:
        """Reload in the background until `close`."""
        self._task = asyncio.create_task(self._reload_forever(), name="key ring")

    async def close(self) -> None:
        """Stop reloading."""
        running = [task for task in (self._task, self._asking) if task is not None]
        self._task = None
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _reload_forever(self) -> None:
        while True:
            await asyncio.sleep(spread(self._interval))
            try:
                await self.load()
            except ServiceUnavailable:
                continue  # counted and told by load
            except Exception:  # the task must outlive whatever a reload meets
                _log.exception("reloading the signing keys failed; the known ones stay in use")
                self.failures += 1

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # told to whoever waits; nobody may be left

    def _outage(self, error: ServiceUnavailable) -> None:
        if not self.failures:
            _log.warning("the signing keys cannot be reloaded; the known ones stay in use", reason=str(error))
        self.failures += 1

    def _unseal(self, row: SigningKey) -> None:
        """Take the private half of a managed key into the ring, once."""
        if row.private_key_encrypted is None or row.kid in self._held or row.kid in self._unusable:
            return
        try:
            der = self._sealer.open(row.private_key_encrypted, row.kid.encode())
            self._held[row.kid] = jose.load_private_der(der, row.kid)
        except (SealError, jose.BadKeyError) as error:
            self._unusable.add(row.kid)
            _log.error("a signing key cannot be used by this process", kid=row.kid, reason=str(error))

    def _current(self) -> _View:
        view = self._view
        if view.since <= self._clock.timestamp() < view.until:
            return view
        return self._rebuild(self._clock.now())

    def _rebuild(self, now: datetime) -> _View:
        """Work out what the rows mean now, and until which of their times that holds."""
        active = table.choose_active(self._rows, self._held.keys(), now)
        published = [row for row in self._rows if row.is_published(now) or row is active]
        published.sort(key=lambda row: row is not active)
        jwks = _jwk_set([pair for row in published if (pair := _public(row)) is not None])
        times = {at.timestamp() for row in self._rows for at in (row.activate_at, row.retire_at) if at is not None}
        instant = now.timestamp()
        before = self._view
        self._view = _View(
            since=max((at for at in times if at <= instant), default=0.0),
            until=min((at for at in times if at > instant), default=_FOREVER),
            active=active,
            signer=self._held[active.kid] if active else None,
            jwks=before.jwks if before.jwks.etag == jwks.etag else jwks,
        )
        return self._view

    async def _keep_active_published(self) -> None:
        """As long as this process signs with a superseded key (it holds no newer one), nobody may forget that key."""
        active = self._view.active
        if active is None or active.retire_at is None:
            return
        until = self._clock.now() + self._schedule.overlap
        if active.retire_at < until - _EXTEND_EVERY:
            await table.keep_published(self._db, active.kid, until)


def _public(row: SigningKey) -> tuple[Jwk, Key] | None:
    """The row's JWK, public members only; None (and a log line) when it is not one, so that it harms no other key."""
    try:
        stored = msgspec.json.decode(row.public_jwk, type=dict[str, object])
        jwk = jose.published_jwk(stored, row.kid, row.algorithm)
        return jwk, Key.from_jwk(jwk)
    except ValueError:
        _log.error("the public half of a signing key is damaged; it is not published", kid=row.kid)
        return None


def _jwk_set(pairs: list[tuple[Jwk, Key]]) -> JwkSet:
    keys = tuple(jwk for jwk, _ in pairs)
    body = msgspec.json.encode({"keys": keys})
    verifying = {key.kid: key for _, key in pairs}
    return JwkSet(keys, verifying, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
