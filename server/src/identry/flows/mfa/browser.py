"""POST /api/v1/auth/mfa/verify."""

from __future__ import annotations

import msgspec

from identry.browser import BROWSER_PATH, LoginOk, Replies
from identry.core.limits import BROWSER_MFA_VERIFY
from identry.flows.mfa.service import VerifyMfa
from identry.second_factor import FactorUnreadable, StaleTicket, WrongCode
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
    TenantInactive,
)
from identry.web.call import Answer, Call
from identry.web.errors import InvalidRequest
from identry.web.operations import Operation
from identry.web.validation import OpaqueToken, RecoveryCode, TotpCode


class BrowserVerifyBody(msgspec.Struct):
    """The `session_token` of the first step, and one code: of the app, or a recovery code."""

    session_token: OpaqueToken
    totp_code: TotpCode | None = None
    recovery_code: RecoveryCode | None = None


def operations(verify: VerifyMfa, replies: Replies) -> list[Operation]:
    """The room's rows of the browser surface."""

    async def handle(call: Call) -> Answer:
        body: BrowserVerifyBody = call.body
        return await replies.of(verify(body.session_token, _one_code(body), call.origin), by_password=True)

    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/mfa/verify",
            handle,
            "Finish a sign-in with the second factor",
            tag="Browser",
            surface="browser",
            body=BrowserVerifyBody,
            reply=LoginOk,
            limits=(BROWSER_MFA_VERIFY,),
            errors=(
                WrongCode,
                StaleTicket,
                CredentialsChanged,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                TenantInactive,
                PasswordLoginDisabled,
                FactorUnreadable,
            ),
            description="Send `totp_code` or `recovery_code`. A `session_token` works once, for five minutes and five "
            "codes; after `session_token_expired` the person signs in again.",
            example={"session_token": "hvZ0…", "totp_code": "123456"},
        )
    ]


def _one_code(body: BrowserVerifyBody) -> str:
    """The one code that was sent.

    Raises:
        InvalidRequest: none, or both.
    """
    if (body.totp_code is None) == (body.recovery_code is None):
        raise InvalidRequest.field("totp_code", "required", "send either totp_code or recovery_code")
    return body.totp_code or body.recovery_code or ""
