"""POST /auth/mfa/verify."""

from __future__ import annotations

from typing import Annotated

import msgspec

from identry.core.limits import MFA_VERIFY
from identry.flows.mfa.service import VerifyMfa
from identry.second_factor import FactorUnreadable, StaleTicket, WrongCode
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
)
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import OpaqueToken
from identry.web.views import SignedInView

Code = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=64,
        description="Six digits of the authenticator app, or a recovery code; spaces and dashes do not matter.",
    ),
]


class VerifyBody(msgspec.Struct, rename="camel"):
    """The ticket of the first step (`error.details.mfaToken`), and a code."""

    mfa_token: OpaqueToken
    code: Code


def operations(verify: VerifyMfa) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> SignedInView:
        body: VerifyBody = call.body
        signed_in = await verify(body.mfa_token, body.code, call.origin)
        return SignedInView.of(signed_in.tokens, signed_in.user)

    return [
        Operation(
            "POST",
            "/auth/mfa/verify",
            handle,
            "Finish a sign-in with the second factor",
            tag="Sign in",
            body=VerifyBody,
            reply=SignedInView,
            limits=(MFA_VERIFY,),
            errors=(
                WrongCode,
                StaleTicket,
                CredentialsChanged,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                PasswordLoginDisabled,
                FactorUnreadable,
            ),
            description="A ticket works once, for five minutes and five codes. After ten wrong codes in fifteen "
            "minutes, over any number of sign-ins, the account's second factor is locked for the rest of that time.",
            example={"mfaToken": "hvZ0…", "code": "123456"},
        )
    ]
