"""`identry reset-mfa`: the way in for who lost the app and the recovery codes, when no administrator may help."""

from __future__ import annotations

from identry.cli.one_off import database_of, one_off
from identry.cli.terminal import say
from identry.core.clock import SystemClock
from identry.core.kv import MemoryKV, RevocationMarks
from identry.core.mail import Outbox
from identry.core.secrets import root_secret
from identry.flows.mfa_reset.service import MfaReset
from identry.records.audit import Audit
from identry.second_factor import FactorChanges
from identry.settings import Settings
from identry.settings.values import bare_address


def reset(email: str) -> int:
    """Remove the second factor of an account; returns the exit code."""

    async def job(settings: Settings) -> int:
        address = bare_address(email)
        await _reset(settings, address)
        say(f"{address} has no second factor any more, and is signed out everywhere")
        return 0

    return one_off(job)


async def _reset(settings: Settings, email: str) -> None:
    """Sessions end in PostgreSQL, where every guard asks; no mark is needed."""
    clock = SystemClock()
    root = root_secret(settings.secret_key.reveal(), settings.jwt_signing_key_pem.reveal())
    changes = FactorChanges(clock, Audit(clock), Outbox(root.sealer("mail-outbox"), clock))
    marks = RevocationMarks(MemoryKV(clock), clock, ttl=1)
    async with database_of(settings) as db:
        await MfaReset(db, clock, changes, marks).by_operator(email)
