"""`identry reset-mfa`: the way in for who lost the app and the recovery codes, when no administrator may help."""

from __future__ import annotations

import asyncio

from identry.cli.one_off import one_off_settings
from identry.cli.terminal import complain, complain_of, list_problems, say
from identry.core import partitions
from identry.core.clock import SystemClock
from identry.core.db import Database, Rejected
from identry.core.kv import MemoryKV, RevocationMarks
from identry.core.mail import Outbox
from identry.core.secrets import root_secret
from identry.flows.mfa_reset.service import MfaReset
from identry.records.audit import Audit
from identry.second_factor import FactorChanges
from identry.settings import Settings, SettingsError
from identry.settings.values import bare_address
from identry_kit.apierror import APIError


def reset(email: str) -> int:
    """Remove the second factor of an account; returns the exit code."""
    try:
        settings = one_off_settings()
        address = bare_address(email)
        asyncio.run(_reset(settings, address))
    except SettingsError as error:
        list_problems(error.problems)
    except (APIError, ValueError) as error:
        complain_of(error)
    except Rejected as error:
        complain(f"{str(error).partition(chr(10))[0]}; is the database migrated? identry migrate up")
    else:
        say(f"{address} has no second factor any more, and is signed out everywhere")
        return 0
    return 1


async def _reset(settings: Settings, email: str) -> None:
    """Sessions end in PostgreSQL, where every guard asks; no mark is needed."""
    clock = SystemClock()
    root = root_secret(settings.secret_key.reveal(), settings.jwt_signing_key_pem.reveal())
    changes = FactorChanges(clock, Audit(clock), Outbox(root.sealer("mail-outbox"), clock))
    marks = RevocationMarks(MemoryKV(clock), clock, ttl=1)
    db = Database(settings.database_url.reveal(), min_size=1, max_size=1, patience=10)
    try:
        await db.open()
        await partitions.ensure(db, clock.now())
        await MfaReset(db, clock, changes, marks).by_operator(email)
    finally:
        await db.close()
