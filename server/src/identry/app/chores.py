"""What one of the workers keeps in order, for the janitor."""

from __future__ import annotations

from datetime import timedelta

from identry.app.engines import Engines
from identry.core import partitions
from identry.core.janitor import Chore
from identry.flows.policy_decide import queries as decisions
from identry.flows.policy_decide.service import KEPT
from identry.records import (
    authorization_codes,
    authorization_requests,
    blocked_addresses,
    device_codes,
    factors,
    one_time_tokens,
    passkey_challenges,
    pending_logins,
    registration_tokens,
    spent_ids,
)
from identry.settings import Settings

_KEEP_EXPIRED_TOKENS = timedelta(days=1)


def chores(settings: Settings, e: Engines) -> list[Chore]:
    """What one of the workers keeps in order. (The outbox is kept by its sender, the signing keys by their ring.)"""

    async def old_sessions() -> int:
        ended = e.clock.now() - settings.session_retention
        return await partitions.drop_before(e.db, partitions.SESSIONS, ended - settings.refresh_token_ttl, ended=ended)

    kept = [
        Chore("months_made", lambda: partitions.ensure(e.db, e.clock.now())),
        Chore("tokens_removed", lambda: one_time_tokens.prune(e.db, e.clock.now() - _KEEP_EXPIRED_TOKENS)),
        Chore("pending_logins_removed", lambda: pending_logins.prune(e.db, e.clock.now())),
        Chore("authorization_requests_removed", lambda: authorization_requests.prune(e.db, e.clock.now())),
        Chore("codes_removed", lambda: authorization_codes.prune(e.db, e.clock.now() - _KEEP_EXPIRED_TOKENS)),
        Chore("challenges_removed", lambda: passkey_challenges.prune(e.db, e.clock.now() - _KEEP_EXPIRED_TOKENS)),
        Chore("device_codes_removed", lambda: device_codes.prune(e.db, e.clock.now() - _KEEP_EXPIRED_TOKENS)),
        Chore("decisions_removed", lambda: decisions.prune(e.db, e.clock.now() - KEPT)),
        Chore("registration_tokens_removed", lambda: registration_tokens.prune(e.db, e.clock.now())),
        Chore("spent_ids_forgotten", lambda: spent_ids.prune(e.db, e.clock.now())),
        Chore("blocks_forgotten", lambda: blocked_addresses.prune(e.db, e.clock.now() - _KEEP_EXPIRED_TOKENS)),
        Chore("set_ups_forgotten", lambda: factors.prune_pending(e.db, e.clock.now())),
        Chore("session_months_dropped", old_sessions),
    ]
    if age := settings.key_rotation_age:
        kept.append(Chore("keys_rotated", lambda: e.keys.rotate_by_age(age)))
    if (audit_retention := settings.audit_retention) is not None:

        async def old_events() -> int:
            return await partitions.drop_before(e.db, partitions.AUDIT, e.clock.now() - audit_retention)

        kept.append(Chore("audit_months_dropped", old_events))
    return kept
