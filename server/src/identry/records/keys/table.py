"""The rows of `signing_keys` and what their times mean.

Life of a key: published (in the JWKS, so that every verifier's cache has it) → active (signs) → retiring (superseded,
its last tokens still verify) → retired. Source: DESIGN §5, SECURITY §5 F12; OpenID Connect Core §10.1.1 (rotation).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from identry.core.db import Executor, affected

Source = Literal["configured", "managed"]


class KeyState(StrEnum):
    """Where a key is in its life."""

    PUBLISHED = "published"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeySchedule:
    """The times of a rotation.

    Attributes:
        lead: from publication to activation: the longest that a verifier may keep an older JWKS, and a margin.
        overlap: from a successor's activation to retirement: the longest token lifetime, and clock skew.
    """

    lead: timedelta
    overlap: timedelta

    @classmethod
    def of(
        cls,
        longest_token_ttl: timedelta,
        *,
        max_age: timedelta = timedelta(seconds=300),
        margin: timedelta = timedelta(seconds=60),
        skew: timedelta = timedelta(seconds=120),
    ) -> KeySchedule:
        """The schedule for tokens of at most `longest_token_ttl` and a JWKS cached for `max_age`."""
        return cls(lead=max_age + margin, overlap=longest_token_ttl + skew)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A row of `signing_keys`; the field order is the column order of every SELECT here.

    Attributes:
        public_jwk: JSON text.
        private_key_encrypted: sealed PKCS#8 DER of a managed key; None when `source` is `configured`.
        retire_at: when it leaves the JWKS; None while it has no successor.
        revoked_at: when it was withdrawn in an emergency.
    """

    kid: str
    algorithm: str
    public_jwk: str
    private_key_encrypted: bytes | None
    source: str
    created_at: datetime
    activate_at: datetime
    retire_at: datetime | None
    revoked_at: datetime | None

    def is_published(self, now: datetime) -> bool:
        """Whether verifiers must know it."""
        return self.revoked_at is None and (self.retire_at is None or now < self.retire_at)

    def may_sign(self, now: datetime) -> bool:
        """Whether a holder of its private half may sign with it, if it has no newer one.

        A retired key may: a replica that has no other must go on, and the ring then keeps that key published.
        """
        return self.revoked_at is None and self.activate_at <= now

    def state(self, now: datetime, active_kid: str | None) -> KeyState:
        """Its state for a process that signs with `active_kid`."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.kid == active_kid:
            return KeyState.ACTIVE
        if not self.is_published(now):
            return KeyState.RETIRED
        return KeyState.PUBLISHED if now < self.activate_at else KeyState.RETIRING


def choose_active(keys: Iterable[SigningKey], held: Collection[str], now: datetime) -> SigningKey | None:
    """The key to sign with: the newest activated one whose private half is in `held` (kids)."""
    candidates = [key for key in keys if key.kid in held and key.may_sign(now)]
    return max(candidates, key=lambda key: (key.activate_at, key.created_at, key.kid), default=None)


_COLUMNS = ", ".join(
    "public_jwk::text AS public_jwk" if field.name == "public_jwk" else field.name for field in fields(SigningKey)
)


async def list_all(db: Executor) -> list[SigningKey]:
    """Every key, newest activation first."""
    rows = await db.fetch(f"SELECT {_COLUMNS} FROM signing_keys ORDER BY activate_at DESC, kid")  # noqa: S608 - constant
    return [SigningKey(*row) for row in rows]


async def lock(tx: Executor) -> None:
    """Let one transaction at a time change keys; readers are not held up."""
    await tx.execute("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")


async def insert(tx: Executor, key: SigningKey) -> None:
    """A new key."""
    await tx.execute(
        """
        INSERT INTO signing_keys (kid, algorithm, public_jwk, private_key_encrypted, source,
                                  created_at, activate_at, retire_at, revoked_at)
        VALUES ($1, $2, $3::text::jsonb, $4, $5, $6, $7, $8, $9)
        """,
        key.kid,
        key.algorithm,
        key.public_jwk,
        key.private_key_encrypted,
        key.source,
        key.created_at,
        key.activate_at,
        key.retire_at,
        key.revoked_at,
    )


async def supersede(tx: Executor, successor: SigningKey, retire_at: datetime) -> None:
    """Every key that `successor` takes over from leaves the JWKS at `retire_at`, unless it does already."""
    await tx.execute(
        """
        UPDATE signing_keys SET retire_at = $3
        WHERE kid <> $1 AND activate_at <= $2 AND retire_at IS NULL AND revoked_at IS NULL
        """,
        successor.kid,
        successor.activate_at,
        retire_at,
    )


async def retire(tx: Executor, kid: str, retire_at: datetime) -> bool:
    """Let a key leave the JWKS at `retire_at` at the latest; False when there is nothing to change."""
    return bool(
        affected(
            await tx.execute(
                """
                UPDATE signing_keys SET retire_at = $2
                WHERE kid = $1 AND revoked_at IS NULL AND (retire_at IS NULL OR retire_at > $2)
                """,
                kid,
                retire_at,
            )
        )
    )


async def revoke(tx: Executor, kid: str, now: datetime) -> bool:
    """Withdraw a key for good; False when it was before."""
    return bool(
        affected(
            await tx.execute(
                "UPDATE signing_keys SET revoked_at = $2, retire_at = $2 WHERE kid = $1 AND revoked_at IS NULL",
                kid,
                now,
            )
        )
    )


async def keep_published(db: Executor, kid: str, until: datetime) -> None:
    """Move the retirement of a key that still signs somewhere to `until`, never earlier, never for a revoked key."""
    await db.execute(
        "UPDATE signing_keys SET retire_at = $2 WHERE kid = $1 AND revoked_at IS NULL AND retire_at < $2", kid, until
    )
