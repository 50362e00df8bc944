"""The key ring: what one process signs with and publishes, kept current from `signing_keys`.

Purely time-driven: between two reloads a key that was published in advance becomes active, and a retired one leaves,
at its instant, also while the database is down. Reloading (every ~10 s, jittered) only brings in what others changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from identry.core import jose
from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.jose import PrivateKey
from identry.core.secrets import Sealer, SealError, random_below
from identry.records.keys import table
from identry.records.keys.table import KeySchedule, SigningKey
from identry_kit.apierror import ServiceUnavailable

_log = logging.getLogger(__name__)

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
        body: the JSON document.
        etag: strong entity tag of `body`, with its quotes.
    """

    keys: tuple[Jwk, ...]
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
    """The signing keys of one process.

    Args:
        db: where the rows are.
        sealer: opens the private halves of managed keys (AAD: the kid).
        clock: the time.
        schedule: how long a superseded key stays published.
        configured: the key of `JWT_SIGNING_KEY_PEM`, adopted before (`flows.rotate_keys`).
        on_change: called with the published JWKs when they change, for the verifier's key set.
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
        on_change: Callable[[tuple[Jwk, ...]], None] | None = None,
        interval: float = 10.0,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._clock = clock
        self._schedule = schedule
        self._interval = interval
        self._on_change = on_change
        self._held: dict[str, PrivateKey] = {configured.kid: configured} if configured else {}
        self._unusable: set[str] = set()
        self._rows: list[SigningKey] = []
        self._view = _View(_FOREVER, _FOREVER, None, None, _jwk_set([]))
        self._reloading = asyncio.Lock()
        self._asked_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self.failures = 0
        """Reloads that failed since the last one that succeeded."""

    async def load(self) -> None:
        """Read the rows; the previous ones stay when that fails.

        Raises:
            ServiceUnavailable: the database cannot answer.
        """
        async with self._reloading:
            self._rows = await table.list_all(self._db)
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

    async def knows(self, kid: str) -> bool:
        """Whether `kid` is published; an unknown one makes the ring look into the table, at most once a second.

        A replica that was just started with another key signs before this one's next reload.
        """
        if not _has(self.jwks(), kid) and abs(self._clock.timestamp() - self._asked_at) >= _ASK_AGAIN:
            self._asked_at = self._clock.timestamp()
            with suppress(ServiceUnavailable):
                await self.load()
        return _has(self.jwks(), kid)

    def start(self) -> None:
        """Reload in the background until `close`."""
        self._task = asyncio.create_task(self._reload_forever(), name="key ring")

    async def close(self) -> None:
        """Stop reloading."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _reload_forever(self) -> None:
        while True:
            await asyncio.sleep(self._interval * (800 + random_below(401)) / 1000)
            try:
                await self.load()
            except ServiceUnavailable as error:
                self._outage(error)
            except Exception:  # the task must outlive whatever a reload meets
                _log.exception("reloading the signing keys failed; the known ones stay in use")
                self.failures += 1

    def _outage(self, error: ServiceUnavailable) -> None:
        if not self.failures:
            _log.warning("the signing keys cannot be reloaded (%s); the known ones stay in use", error)
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
            _log.error("signing key %r cannot be used by this process: %s", row.kid, error)

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
        jwks = _jwk_set([jwk for row in published if (jwk := _public(row)) is not None])
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
        if self._on_change is not None and before.jwks.etag != jwks.etag:
            self._on_change(jwks.keys)
        return self._view

    async def _keep_active_published(self) -> None:
        """As long as this process signs with a superseded key (it holds no newer one), nobody may forget that key."""
        active = self._view.active
        if active is None or active.retire_at is None:
            return
        until = self._clock.now() + self._schedule.overlap
        if active.retire_at < until - _EXTEND_EVERY:
            await table.keep_published(self._db, active.kid, until)


def _public(row: SigningKey) -> Jwk | None:
    """The row's JWK, public members only; None (and a log line) when it is not one, so that it harms no other key."""
    try:
        jwk: object = msgspec.json.decode(row.public_jwk)
        if isinstance(jwk, dict):
            return jose.published_jwk(jwk, row.kid, row.algorithm)
    except (msgspec.DecodeError, jose.BadKeyError):
        pass
    _log.error("the public half of signing key %r is damaged; it is not published", row.kid)
    return None


def _jwk_set(keys: list[Jwk]) -> JwkSet:
    body = msgspec.json.encode({"keys": keys})
    return JwkSet(tuple(keys), body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _has(jwks: JwkSet, kid: str) -> bool:
    return any(jwk["kid"] == kid for jwk in jwks.keys)
