"""GET /api/profile/mfa, POST /api/profile/mfa/disable and /api/profile/mfa/recovery-codes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from identry.app_refusals import RefusedCode
from identry.core.limits import MFA_CHANGE, MFA_MANAGE
from identry.flows.mfa_change.service import CodeMissing, MfaChange, NotEnabled, RequiredByPolicy
from identry.oauth.errors import InsufficientScope
from identry.second_factor import FactorUnreadable
from identry.signin import CredentialsChanged
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE
from identry.web.operations import Guard, Operation
from identry.web.provider_guard import require_agreed
from identry.web.step_up import RECENT
from identry.web.validation import MfaCode


class MfaState(msgspec.Struct, frozen=True):
    """Whether the caller has a second factor."""

    enabled: bool


class AppMfaDisableBody(msgspec.Struct):
    """A code of the app, or a recovery code."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["123456"])]


class AppRecoveryBody(msgspec.Struct):
    """A code of the app; needed unless the session proved one within the last ten minutes."""

    code: MfaCode = ""


class AppRecoveryCodes(msgspec.Struct, frozen=True):
    """New recovery codes, shown this once."""

    recovery_codes: list[str]


_COMMON: dict[str, Any] = {"tag": "Accounts of applications", "surface": "api", "guard": Guard.APP_USER}
_ERRORS = (RefusedCode, CredentialsChanged, NotEnabled, FactorUnreadable, InsufficientScope)


def operations(change: MfaChange) -> list[Operation]:
    """The room's rows of the provider surface."""

    async def show(call: Call) -> MfaState:
        require_agreed(call, "profile", "api")
        return MfaState(call.actor.user.mfa_enabled)

    async def disable(call: Call) -> bytes:
        require_agreed(call, "api")
        actor = call.actor
        await change.disable(actor.user, actor.session_id, call.body.code, None, call.origin)
        return b""

    async def renew(call: Call) -> Answer:
        require_agreed(call, "api")
        actor = call.actor
        codes = await change.renew_codes(actor.user, actor.session_id, call.body.code or None, call.origin)
        return Answer(AppRecoveryCodes(codes), headers=NO_STORE)

    return [
        Operation(
            "GET",
            "/api/profile/mfa",
            show,
            "Whether the caller has a second factor",
            reply=MfaState,
            errors=(InsufficientScope,),
            **_COMMON,
        ),
        Operation(
            "POST",
            "/api/profile/mfa/disable",
            disable,
            "Remove the second factor",
            fresh=RECENT,
            body=AppMfaDisableBody,
            status=204,
            limits=(MFA_MANAGE,),
            errors=(*_ERRORS, RequiredByPolicy),
            description="On proof of a code and a sign-in that is at most ten minutes old. Ends every other session of "
            "the account, and mails its owner.",
            example={"code": "123456"},
            **_COMMON,
        ),
        Operation(
            "POST",
            "/api/profile/mfa/recovery-codes",
            renew,
            "Make new recovery codes",
            fresh=RECENT,
            bare=True,
            body=AppRecoveryBody,
            reply=AppRecoveryCodes,
            limits=(MFA_MANAGE, MFA_CHANGE),
            errors=(*_ERRORS, CodeMissing),
            description="The earlier ones are void. Without a body only where the session proved the factor within the "
            "last ten minutes, as it does when the factor is turned on. The sign-in must be at most ten minutes old.",
            example={"code": "123456"},
            **_COMMON,
        ),
    ]
