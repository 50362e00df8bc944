"""POST /api/profile/mfa/enroll and /api/profile/mfa/confirm."""

from __future__ import annotations

from typing import Any

import msgspec

from identry.app_refusals import RefusedCode
from identry.core.limits import MFA_CHANGE, MFA_MANAGE
from identry.flows.mfa_setup.service import AlreadyEnabled, MfaSetup, NoPendingSetup, Session
from identry.oauth.errors import InsufficientScope
from identry.second_factor import FactorUnreadable
from identry.signin import CredentialsChanged
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE
from identry.web.operations import Guard, Operation
from identry.web.provider_guard import require_agreed
from identry.web.step_up import RECENT
from identry.web.validation import TotpCode


class Enrolment(msgspec.Struct, frozen=True):
    """The secret for the authenticator app, as text and as address; it is shown this once."""

    secret: str
    provisioning_uri: str


class ConfirmBody(msgspec.Struct):
    """The first code of the app."""

    code: TotpCode


_COMMON: dict[str, Any] = {
    "tag": "Accounts of applications",
    "surface": "api",
    "guard": Guard.APP_USER,
    "fresh": RECENT,
}


def operations(setup: MfaSetup) -> list[Operation]:
    """The room's rows of the provider surface."""

    async def enroll(call: Call) -> Answer:
        require_agreed(call, "api")
        shown = await setup.begin(Session(call.actor.user, call.actor.session_id), call.origin)
        return Answer(Enrolment(shown.secret, shown.otpauth_uri), headers=NO_STORE)

    async def confirm(call: Call) -> bytes:
        require_agreed(call, "api")
        await setup.enable(Session(call.actor.user, call.actor.session_id), call.body.code, call.origin)
        return b""

    return [
        Operation(
            "POST",
            "/api/profile/mfa/enroll",
            enroll,
            "Begin to set up an authenticator app",
            reply=Enrolment,
            limits=(MFA_MANAGE,),
            errors=(AlreadyEnabled, InsufficientScope),
            description="The sign-in must be at most ten minutes old. The secret waits ten minutes for `confirm`; "
            "asking again replaces it.",
            **_COMMON,
        ),
        Operation(
            "POST",
            "/api/profile/mfa/confirm",
            confirm,
            "Turn the second factor on with its first code",
            body=ConfirmBody,
            status=204,
            limits=(MFA_MANAGE, MFA_CHANGE),
            errors=(
                RefusedCode,
                AlreadyEnabled,
                NoPendingSetup,
                CredentialsChanged,
                FactorUnreadable,
                InsufficientScope,
            ),
            description="Every other session of the account ends, and the user gets mail. Then ask for recovery codes.",
            example={"code": "123456"},
            **_COMMON,
        ),
    ]
