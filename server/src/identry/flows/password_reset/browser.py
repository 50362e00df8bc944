"""POST /api/v1/auth/password-reset/request and /confirm."""

from __future__ import annotations

import msgspec

from identry.browser import BROWSER_PATH
from identry.core.limits import RESET_CONFIRM, RESET_REQUEST, RESET_REQUEST_EMAIL
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.password_reset.routes import Mailbox
from identry.flows.password_reset.service import InvalidResetToken, PasswordReset
from identry.signin import PasswordLoginDisabled
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import NewPassword, OpaqueToken


class BrowserResetRequestBody(msgspec.Struct):
    """Whose password to reset."""

    email: Mailbox


class BrowserResetRequested(msgspec.Struct, frozen=True):
    """The same for every address."""

    message: str = "if this address has an account, a mail with a link to set a new password is on its way"


class BrowserResetConfirmBody(msgspec.Struct):
    """The token of the mail, and the new password."""

    token: OpaqueToken
    new_password: NewPassword


def operations(reset: PasswordReset) -> list[Operation]:
    """The room's rows of the browser surface."""

    async def request(call: Call) -> BrowserResetRequested:
        body: BrowserResetRequestBody = call.body
        await reset.request(body.email, "", call.origin)
        return BrowserResetRequested()

    async def confirm(call: Call) -> bytes:
        body: BrowserResetConfirmBody = call.body
        await reset.confirm(body.token, body.new_password, call.origin, field="new_password")
        return b""

    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/password-reset/request",
            request,
            "Ask for a link to set a new password",
            tag="Browser",
            surface="browser",
            body=BrowserResetRequestBody,
            reply=BrowserResetRequested,
            status=202,
            limits=(RESET_REQUEST, RESET_REQUEST_EMAIL),
            errors=(PasswordLoginDisabled,),
            description="Answers the same, in the same time, whether or not the address has an account.",
            example={"email": "ada@example.com"},
        ),
        Operation(
            "POST",
            f"{BROWSER_PATH}/password-reset/confirm",
            confirm,
            "Set a new password with the token of the mail",
            tag="Browser",
            surface="browser",
            body=BrowserResetConfirmBody,
            status=204,
            limits=(RESET_CONFIRM,),
            errors=(InvalidResetToken, UnacceptablePassword, PasswordLoginDisabled),
            description="Ends every session of the account and signs nobody in. A second factor stays.",
            example={"token": "hvZ0…", "new_password": "correct horse battery"},
        ),
    ]
