"""Second factors: the authenticator app of a user and its recovery codes.

Invariants: a secret is stored sealed, bound to its user (a row moved to another user does not open); a step is accepted
once, by one compare-and-swap; a recovery code is used once, by one conditional write; wrong codes are counted for the
account, whatever ticket or address they came from; `users.mfa_enabled` is true exactly while a confirmed factor exists,
because the same statement writes both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Executor, affected
from identry.core.ids import uuid7
from identry.core.secrets import Sealer

FAILURES = 10
"""Wrong codes of one account in `FAILURE_WINDOW`; after that no code is looked at until the window has passed."""
FAILURE_WINDOW = timedelta(minutes=15)
PENDING = timedelta(minutes=10)
"""How long a secret that was shown waits for its first code."""


@dataclass(frozen=True, slots=True)
class TotpFactor:
    """A row of `totp_factors`; the field order is that of `_COLUMNS`."""

    user_id: UUID
    secret_encrypted: bytes
    key_id: str
    created_at: datetime
    confirmed_at: datetime | None
    last_step: int
    failures: int
    failures_since: datetime | None

    def pending(self, now: datetime) -> bool:
        """Whether it still waits for its first code."""
        return self.confirmed_at is None and self.created_at > now - PENDING


_COLUMNS = "user_id, secret_encrypted, key_id, created_at, confirmed_at, last_step, failures, failures_since"


HAS_TRIES = "(failures < {most} OR failures_since IS NULL OR failures_since <= {window})"
"""Whether a code of the factor is looked at (`most` failures, counted since an instant after `window`)."""
RESERVE_FAILURE = f"""
        UPDATE totp_factors
        SET failures = CASE WHEN failures_since > {{window}} THEN failures + 1 ELSE 1 END,
            failures_since = CASE WHEN failures_since > {{window}} THEN failures_since ELSE {{now}} END
        WHERE user_id = {{user}} AND confirmed_at IS NOT NULL AND {HAS_TRIES}
"""  # noqa: S608 - constant expressions
REFUND_FAILURE = "UPDATE totp_factors SET failures = greatest(failures - 1, 0)"


@dataclass(frozen=True, slots=True)
class StoredCode:
    """An unused recovery code."""

    id: UUID
    code_hash: str


class TotpSecrets:
    """Seals and opens the secrets of factors; the user's id is the additional data."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    @property
    def key_id(self) -> str:
        """The id of the key that seals now."""
        return self._sealer.key_id

    def seal(self, user_id: UUID, secret: str) -> bytes:
        """A base32 secret, sealed for its user."""
        return self._sealer.seal(secret.encode(), user_id.bytes)

    def open(self, factor: TotpFactor) -> str:
        """The base32 secret of a factor.

        Raises:
            SealError: it was sealed for another user, or under a key that this process lacks.
        """
        return self._sealer.open(factor.secret_encrypted, factor.user_id.bytes).decode()


async def find(db: Executor, user_id: UUID) -> TotpFactor | None:
    """The factor of a user, confirmed or not, or None."""
    row = await db.fetchrow(f"SELECT {_COLUMNS} FROM totp_factors WHERE user_id = $1", user_id)  # noqa: S608 - constant
    return TotpFactor(*row) if row else None


async def lock(tx: Executor, user_id: UUID) -> None:
    """Wait for the factor's row: whoever writes several rows of a sign-in takes this one first, then codes, tokens."""
    await tx.execute("SELECT FROM totp_factors WHERE user_id = $1 FOR UPDATE", user_id)


async def enrol(tx: Executor, user_id: UUID, secret_encrypted: bytes, key_id: str, now: datetime) -> bool:
    """Store a factor that is still to be confirmed, in place of an unconfirmed one; False when one is confirmed."""
    tag = await tx.execute(
        """
        INSERT INTO totp_factors (user_id, secret_encrypted, key_id, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id) DO UPDATE
        SET secret_encrypted = EXCLUDED.secret_encrypted, key_id = EXCLUDED.key_id, created_at = EXCLUDED.created_at
        WHERE totp_factors.confirmed_at IS NULL
        """,
        user_id,
        secret_encrypted,
        key_id,
        now,
    )
    return affected(tag) == 1


async def confirm(tx: Executor, user_id: UUID, secret_encrypted: bytes, step: int, now: datetime) -> bool:
    """Turn the factor on: its first code was right, at `step`. False when it waits no more, or for another secret."""
    tag = await tx.execute(
        """
        WITH confirmed AS (
            UPDATE totp_factors SET confirmed_at = $4, last_step = $3
            WHERE user_id = $1 AND secret_encrypted = $2 AND confirmed_at IS NULL AND created_at > $5
            RETURNING user_id
        )
        UPDATE users SET mfa_enabled = true, updated_at = $4 FROM confirmed WHERE users.id = confirmed.user_id
        """,
        user_id,
        secret_encrypted,
        step,
        now,
        now - PENDING,
    )
    return affected(tag) == 1


async def prune_pending(db: Executor, now: datetime) -> int:
    """Forget secrets that were shown and never confirmed in time; returns how many."""
    return affected(
        await db.execute("DELETE FROM totp_factors WHERE confirmed_at IS NULL AND created_at <= $1", now - PENDING)
    )


async def remove(tx: Executor, user_id: UUID, now: datetime) -> bool:
    """Turn the second factor off and forget its secret and codes; False when there was none."""
    await lock(tx, user_id)
    await tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
    removed = affected(await tx.execute("DELETE FROM totp_factors WHERE user_id = $1", user_id)) == 1
    await tx.execute(
        "UPDATE users SET mfa_enabled = false, updated_at = $2 WHERE id = $1 AND mfa_enabled", user_id, now
    )
    return removed


async def advance(tx: Executor, user_id: UUID, step: int) -> bool:
    """Accept a code of `step`; of any number of callers with one code exactly one hears True."""
    tag = await tx.execute(
        "UPDATE totp_factors SET last_step = $2 WHERE user_id = $1 AND confirmed_at IS NOT NULL AND last_step < $2",
        user_id,
        step,
    )
    return affected(tag) == 1


async def reseal(tx: Executor, factor: TotpFactor, secret_encrypted: bytes, key_id: str) -> None:
    """Put a secret under the current key; nothing happens when the secret was replaced meanwhile."""
    await tx.execute(
        "UPDATE totp_factors SET secret_encrypted = $3, key_id = $4 WHERE user_id = $1 AND secret_encrypted = $2",
        factor.user_id,
        factor.secret_encrypted,
        secret_encrypted,
        key_id,
    )


async def reserve_failure(tx: Executor, user_id: UUID, now: datetime) -> bool:
    """Count a try as wrong before it is looked at, so that tries in parallel count too; False when none is left."""
    sql = RESERVE_FAILURE.format(user="$1", now="$2", window="$3", most="$4") + " RETURNING failures"
    return await tx.fetchrow(sql, user_id, now, now - FAILURE_WINDOW, FAILURES) is not None


async def refund_failure(tx: Executor, user_id: UUID) -> None:
    """The try that was counted was right."""
    await tx.execute(f"{REFUND_FAILURE} WHERE user_id = $1", user_id)


async def replace_codes(tx: Executor, user_id: UUID, code_hashes: dict[int, str], clock: Clock) -> None:
    """Store new recovery codes (hash by selector); all earlier ones are void."""
    await tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
    now = clock.now()
    await tx.executemany(
        "INSERT INTO recovery_codes (id, user_id, selector, code_hash, created_at) VALUES ($1, $2, $3, $4, $5)",
        [(uuid7(clock), user_id, selector, code_hash, now) for selector, code_hash in code_hashes.items()],
    )


async def find_code(db: Executor, user_id: UUID, selector: int) -> StoredCode | None:
    """The unused code of a selector, or None."""
    row = await db.fetchrow(
        "SELECT id, code_hash FROM recovery_codes WHERE user_id = $1 AND selector = $2 AND used_at IS NULL",
        user_id,
        selector,
    )
    return StoredCode(*row) if row else None


async def use_code(tx: Executor, code_id: UUID, now: datetime) -> bool:
    """Use a code; of any number of callers exactly one hears True."""
    tag = await tx.execute("UPDATE recovery_codes SET used_at = $2 WHERE id = $1 AND used_at IS NULL", code_id, now)
    return affected(tag) == 1


async def count_codes(db: Executor, user_id: UUID) -> int:
    """How many codes are unused."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL", user_id
    )
    return count


async def forget_failures(tx: Executor, user_id: UUID) -> None:
    """Give a user every try of a code again."""
    await tx.execute("UPDATE totp_factors SET failures = 0, failures_since = NULL WHERE user_id = $1", user_id)
