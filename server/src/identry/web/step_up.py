"""Is the proof recent enough for this operation? Asked after guard and permission, before the handler.

Two demands, both data on the operation: `fresh` (the sign-in itself is recent) and `sensitive` (where the tenant wants
it, a second factor was proven recently). Both answer as RFC 9470 has it: 401 and a challenge.
A refresh is no sign-in: it leaves both instants as they are.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.records import sessions, tenants
from identry.web.call import Call
from identry.web.endpoint import GuardCheck
from identry.web.operations import Operation
from identry_kit.apierror import Forbidden, Unauthorized

RECENT = timedelta(minutes=10)
"""How long a sign-in or a second factor counts as just proven."""


class SignInAgain(Unauthorized):
    """401: the sign-in is too long ago for this; sign in again. `details.maxAge` is how old it may be, in seconds."""

    code = "reauthentication_required"
    message = "sign in again to do this"
    example_details = {"maxAge": 600}  # noqa: RUF012 - never written to

    def __init__(self, age: timedelta) -> None:
        super().__init__(details={"maxAge": _seconds(age)}, headers=_challenge(age))


class CodeRequired(Unauthorized):
    """401: the tenant wants a code for this; send one to `POST /api/v1/auth/mfa/step-up`, then repeat the request."""

    code = "mfa_code_required"
    message = "confirm this with a code of your second factor"
    example_details = {"maxAge": 600}  # noqa: RUF012 - never written to

    def __init__(self) -> None:
        super().__init__(details={"maxAge": _seconds(RECENT)}, headers=_challenge(RECENT))


class OwnProofNeeded(Forbidden):
    """403: a tenant's own provider vouched for this sign-in, and the account is not that tenant's alone."""

    code = "permission_denied"
    message = "the account belongs to other tenants too; sign in another way to change how it is signed in to"


class SecondFactorMissing(Forbidden):
    """403: the tenant wants a code for this, and the caller has no second factor yet."""

    code = "mfa_setup_required"
    message = "set up a second factor first"


def recent(operation: Operation, guard: GuardCheck, clock: Clock, db: Executor) -> GuardCheck:
    """The guard of an operation, then what its row says of `fresh` and `sensitive`."""
    age = operation.fresh

    async def check(call: Call) -> None:
        await guard(call)
        if call.caller is None:  # a ticket proves the caller: it is minutes old by itself
            return
        if age is not None and clock.now() - call.actor.auth_time > age:
            raise SignInAgain(age)
        if age is not None:
            await _require_own_proof(call, db)
        if operation.sensitive:
            await _require_factor(call, clock, db)

    return check


async def _require_own_proof(call: Call, db: Executor) -> None:
    """Whoever runs the provider of one tenant plants no way into an account that others share."""
    actor = call.actor
    if "sso_tenant" not in actor.amr:
        return
    tenant_id = call.tenant
    if tenant_id is None:  # a session of a page is of no tenant: which one vouched is not told
        shared = await tenants.belongs_to_several(db, actor.user.id)
    else:
        shared = await tenants.belongs_elsewhere(db, tenant_id, actor.user.id)
    if shared:
        raise OwnProofNeeded


async def _require_factor(call: Call, clock: Clock, db: Executor) -> None:
    session_id, tenant_id = call.actor.session_id, call.tenant
    if tenant_id is None:
        demanded, proven_at = await sessions.step_up_anywhere(db, session_id)
    else:
        demanded, proven_at = await sessions.step_up(db, session_id, tenant_id)
    if not demanded or (proven_at is not None and clock.now() - proven_at <= RECENT):
        return
    if call.actor.user.mfa_enabled:
        raise CodeRequired
    if "mfa" in call.actor.amr:  # by a factor that has no codes
        raise SignInAgain(RECENT)
    raise SecondFactorMissing


def _challenge(age: timedelta) -> dict[str, str]:
    value = f'Bearer realm="identry", error="insufficient_user_authentication", max_age="{_seconds(age)}"'
    return {"WWW-Authenticate": value}


def _seconds(age: timedelta) -> int:
    return int(age.total_seconds())


def implied(operation: Operation) -> list[Any]:
    """The errors that the row adds."""
    kinds: list[Any] = [SignInAgain] if operation.fresh or operation.sensitive else []
    if operation.fresh:
        kinds.append(OwnProofNeeded)
    return [*kinds, CodeRequired, SecondFactorMissing] if operation.sensitive else kinds
