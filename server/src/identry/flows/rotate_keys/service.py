"""Adopt, rotate, retire and list signing keys. A rotation publishes first and signs later (SECURITY §5 F12)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from identry.core import jose
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.jose import Algorithm, PrivateKey
from identry.core.secrets import Sealer, SealError
from identry.records.keys import KeySchedule, KeyState, SigningKey, table
from identry_kit.apierror import Conflict, NotFound


class KeyConflict(Conflict):
    """409: the configured key and `JWT_KID` cannot be used; the message says what to change. Ends a start."""

    code = "key_conflict"


class RotationPending(Conflict):
    """409: a key already waits for its activation."""

    code = "rotation_pending"


class KeyStillActive(Conflict):
    """409: the newest key cannot be retired in good order before it has a successor."""

    code = "key_still_active"


class UnknownKey(NotFound):
    """404: no key has this kid."""


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """A key and its state, for `identry keys list`.

    Attributes:
        key: the row.
        state: for a process with our root secret and the configured key.
        usable: whether such a process holds the private half.
    """

    key: SigningKey
    state: KeyState
    usable: bool


class SigningKeys:
    """Changes the table of signing keys.

    Args:
        db: the database.
        clock: the time.
        sealer: `root_secret.sealer("signing-keys")`; seals private halves with the kid as AAD.
        schedule: lead and overlap of a rotation.
    """

    def __init__(self, db: Database, clock: Clock, sealer: Sealer, schedule: KeySchedule) -> None:
        self._db = db
        self._clock = clock
        self._sealer = sealer
        self._schedule = schedule

    async def adopt(self, key: PrivateKey) -> None:
        """Make the key of `JWT_SIGNING_KEY_PEM` known (only its public half is stored). Call it at each start.

        A key that is new takes over at once, from its processes only; the previous one stays published.

        Raises:
            KeyConflict: `JWT_KID` names another key, or this key was revoked.
        """
        mine = jose.thumbprint(key.jwk)
        async with self._db.transaction() as tx:
            await table.lock(tx)
            known = await table.list_all(tx)
            for row in known:
                _refuse_conflict(row, key.kid, same_key=_thumbprint(row) == mine)
            if all(row.kid != key.kid for row in known):
                now = self._clock.now()
                await self._add(tx, _row(key, "configured", None, created_at=now, activate_at=now))

    async def rotate(self, *, now: bool = False, algorithm: Algorithm = "RS256") -> SigningKey:
        """Make a managed key: published now, signing once every verifier's cache has it; with `now`, at once.

        Raises:
            RotationPending: a key already waits and `now` is not set.
        """
        key = await asyncio.to_thread(jose.generate, algorithm)
        async with self._db.transaction() as tx:
            await table.lock(tx)
            instant = self._clock.now()
            if not now:
                for row in await table.list_all(tx):
                    if row.state(instant, None) is KeyState.PUBLISHED:
                        raise RotationPending(f"key {row.kid} already waits; it signs from {row.activate_at:%F %T} UTC")
            return await self._add_managed(tx, key, instant, instant if now else instant + self._schedule.lead)

    async def rotate_by_age(self, age: timedelta) -> int:
        """Make the successor of a key that has signed for `age`, once for all replicas; returns how many were made.

        A key that already waits is waited for. The successor is of the same algorithm, so verifiers need not change.
        """
        if self._aged(await table.list_all(self._db), age) is None:
            return 0
        spare = await asyncio.to_thread(jose.generate)
        async with self._db.transaction() as tx:
            await table.lock(tx)
            aged = self._aged(await table.list_all(tx), age)
            if aged is None:  # another replica was faster
                return 0
            now = self._clock.now()
            await self._add_managed(tx, _as(aged.algorithm, spare), now, now + self._schedule.lead)
        return 1

    def _aged(self, rows: list[SigningKey], age: timedelta) -> SigningKey | None:
        """The key that signs, if it is due for a successor and none waits."""
        now = self._clock.now()
        newest = table.choose_active(rows, {row.kid for row in rows}, now)
        if newest is None or now - newest.activate_at < age:
            return None
        waits = any(row.state(now, None) is KeyState.PUBLISHED for row in rows)
        return None if waits else newest

    async def retire(self, kid: str, *, now: bool = False) -> SigningKey | None:
        """Let a superseded key leave the JWKS once its last token has expired; with `now` withdraw any key for good.

        Withdrawing the newest active key makes a managed successor that signs at once, which is returned.

        Raises:
            UnknownKey: no such kid.
            KeyStillActive: without `now`, for the newest active key.
        """
        spare = await asyncio.to_thread(jose.generate)
        async with self._db.transaction() as tx:
            await table.lock(tx)
            instant = self._clock.now()
            rows = await table.list_all(tx)
            if all(row.kid != kid for row in rows):
                raise UnknownKey(f"no signing key has the kid {kid!r}")
            newest = table.choose_active(rows, {row.kid for row in rows}, instant)
            if not now:
                if newest is not None and newest.kid == kid:
                    raise KeyStillActive(f"key {kid!r} signs; rotate first, or withdraw it with --now")
                await table.retire(tx, kid, instant + self._schedule.overlap)
                return None
            await table.revoke(tx, kid, instant)
            if newest is None or newest.kid != kid:
                return None
            return await self._add_managed(tx, _as(newest.algorithm, spare), instant, instant)

    async def list(self, configured_kid: str | None = None) -> list[KeyStatus]:
        """Every key, newest first, as seen by a process with our root secret and the key named `configured_kid`."""
        rows = await table.list_all(self._db)
        held = {row.kid for row in rows if row.kid == configured_kid or self._opens(row)}
        now = self._clock.now()
        active = table.choose_active(rows, held, now)
        active_kid = active.kid if active else None
        return [KeyStatus(row, row.state(now, active_kid), row.kid in held) for row in rows]

    async def _add_managed(self, tx: Executor, key: PrivateKey, now: datetime, activate_at: datetime) -> SigningKey:
        sealed = self._sealer.seal(key.private_der(), key.kid.encode())
        return await self._add(tx, _row(key, "managed", sealed, created_at=now, activate_at=activate_at))

    async def _add(self, tx: Executor, row: SigningKey) -> SigningKey:
        await table.insert(tx, row)
        await table.supersede(tx, row, row.activate_at + self._schedule.overlap)
        return row

    def _opens(self, row: SigningKey) -> bool:
        if row.private_key_encrypted is None:
            return False
        try:
            self._sealer.open(row.private_key_encrypted, row.kid.encode())
        except SealError:
            return False
        return True


def _refuse_conflict(row: SigningKey, kid: str, *, same_key: bool) -> None:
    if row.kid == kid and not same_key:
        raise KeyConflict(f"JWT_KID {kid!r} already names another key; choose a new JWT_KID")
    if same_key and row.revoked_at is not None:
        raise KeyConflict(
            f"the key of JWT_SIGNING_KEY_PEM was withdrawn (as {row.kid!r}); "
            "make another with `identry keys generate` and give it a new JWT_KID"
        )


def _row(
    key: PrivateKey, source: table.Source, sealed: bytes | None, *, created_at: datetime, activate_at: datetime
) -> SigningKey:
    return SigningKey(
        kid=key.kid,
        algorithm=key.alg,
        public_jwk=msgspec.json.encode(key.jwk).decode(),
        private_key_encrypted=sealed,
        source=source,
        created_at=created_at,
        activate_at=activate_at,
        retire_at=None,
        revoked_at=None,
    )


def _thumbprint(row: SigningKey) -> str | None:
    """None for a damaged row: it must not keep every replica from starting."""
    try:
        return jose.thumbprint(msgspec.json.decode(row.public_jwk, type=dict[str, str]))
    except (msgspec.DecodeError, jose.BadKeyError):
        return None


def _as(algorithm: str, spare: PrivateKey) -> PrivateKey:
    """`spare` when it is of `algorithm`, otherwise a new key that is (those are cheap to make)."""
    return spare if algorithm == spare.alg else jose.generate("ES256" if algorithm == "ES256" else "EdDSA")
