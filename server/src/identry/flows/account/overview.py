"""An account at a glance, for its owner: how it is signed in to, where, and who may act for it; in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from identry import ways_in
from identry.core.clock import Clock
from identry.core.db import Executor
from identry.records.users import User

FEW_CODES = 3
"""As many recovery codes left, or fewer, are worth a warning."""

_GLANCE = """
    SELECT (SELECT f.confirmed_at FROM totp_factors f WHERE f.user_id = $1),
           (SELECT count(*) FROM recovery_codes c WHERE c.user_id = $1 AND c.used_at IS NULL),
           EXISTS (SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
                   WHERE tm.user_id = $1 AND tm.is_active AND t.is_active AND t.mfa_required),
           (SELECT count(*) FROM passkeys p WHERE p.user_id = $1),
           (SELECT count(*) FROM identities i WHERE i.user_id = $1),
           (SELECT count(*) FROM sessions s WHERE s.user_id = $1 AND s.client_id IS NULL AND s.revoked_at IS NULL
              AND s.expires_at > $2 AND s.token_version = $3),
           (SELECT count(*) FROM (
                SELECT k.client_id FROM consents k WHERE k.user_id = $1
                UNION
                SELECT s.client_id FROM sessions s WHERE s.user_id = $1 AND s.client_id IS NOT NULL
                   AND s.revoked_at IS NULL AND s.expires_at > $2 AND s.token_version = $3) a
            WHERE EXISTS (SELECT FROM clients c WHERE c.id = a.client_id))
"""


@dataclass(frozen=True, slots=True)
class Glance:
    """What an account has; the field order is the column order of the SELECT here.

    Attributes:
        factor_at: since when an authenticator app is on; None: it is off.
        codes_left: unused recovery codes.
        demanded: whether deployment or a tenant demand a second factor.
        passkeys, identities, devices, apps: how many.
    """

    factor_at: datetime | None
    codes_left: int
    demanded: bool
    passkeys: int
    identities: int
    devices: int
    apps: int

    @property
    def few_codes(self) -> bool:
        """Whether the recovery codes are nearly used up."""
        return self.factor_at is not None and self.codes_left <= FEW_CODES

    @property
    def unprotected(self) -> bool:
        """Whether a password alone gets in."""
        return self.factor_at is None and self.passkeys == 0


class Overview:
    """Looks at an account.

    Args:
        local_login: False under `AUTH_POLICY=restricted`.
        mfa_required: `MFA_REQUIRED`.
    """

    def __init__(self, db: Executor, clock: Clock, *, local_login: bool, mfa_required: bool) -> None:
        self._db = db
        self._clock = clock
        self._local_login = local_login
        self._mfa_required = mfa_required

    async def glance(self, user: User) -> Glance:
        """The account as it is now."""
        row = await self._db.fetchrow(_GLANCE, user.id, self._clock.now(), user.token_version)
        assert row is not None
        factor_at, left, demanded, *counts = row
        return Glance(factor_at, left, demanded or self._mfa_required, *counts)

    async def local(self, user: User) -> bool:
        """Whether a password or a passkey could sign this user in: nobody wants single sign-on only."""
        return (await ways_in.of(self._db, user, local_login=self._local_login)).local
