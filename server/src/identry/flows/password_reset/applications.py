"""POST /api/auth/request-password-reset and /api/auth/reset-password."""

from __future__ import annotations

import msgspec

from identry.core.limits import APP_RESET_CONFIRM, APP_RESET_REQUEST, RESET_REQUEST_EMAIL
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.password_reset.routes import Mailbox
from identry.flows.password_reset.service import InvalidResetToken, PasswordReset
from identry.signin import PasswordLoginDisabled
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import NewPassword, OpaqueToken


class AppResetRequestBody(msgspec.Struct):
    """Whose password to reset."""

    email: Mailbox


class AppResetRequested(msgspec.Struct, frozen=True):
    """The same for every address."""

    message: str = "if this address has an account, a mail with a link to set a new password is on its way"


class AppResetBody(msgspec.Struct):
    """The token of the mail, and the new password."""

    token: OpaqueToken
    password: NewPassword


class AppResetDone(msgspec.Struct, frozen=True):
    """The password is set."""

    message: str = "the password is changed; sign in with it"


def operations(reset: PasswordReset) -> list[Operation]:
    """The room's rows of the provider surface."""

    async def request(call: Call) -> AppResetRequested:
        await reset.request(call.body.email, "", call.origin)
        return AppResetRequested()

    async def confirm(call: Call) -> AppResetDone:
        body: AppResetBody = call.body
        await reset.confirm(body.token, body.password, call.origin, field="password")
        return AppResetDone()

    return [
        Operation(
            "POST",
            "/api/auth/request-password-reset",
            request,
            "Ask for a link to set a new password",
            tag="Accounts of applications",
            surface="api",
            body=AppResetRequestBody,
            reply=AppResetRequested,
            limits=(APP_RESET_REQUEST, RESET_REQUEST_EMAIL),
            errors=(PasswordLoginDisabled,),
            description="Answers the same, in the same time, whether or not the address has an account.",
            example={"email": "ada@example.com"},
        ),
        Operation(
            "POST",
            "/api/auth/reset-password",
            confirm,
            "Set a new password with the token of the mail",
            tag="Accounts of applications",
            surface="api",
            body=AppResetBody,
            reply=AppResetDone,
            limits=(APP_RESET_CONFIRM,),
            errors=(InvalidResetToken, UnacceptablePassword, PasswordLoginDisabled),
            description="Ends every session of the account and signs nobody in. A second factor stays.",
            example={"token": "hvZ0…", "password": "correct horse battery"},
        ),
    ]
