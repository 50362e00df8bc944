"""POST /auth/password-reset/request and /auth/password-reset/confirm."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from identry.core.limits import RESET_CONFIRM, RESET_REQUEST, RESET_REQUEST_EMAIL
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.password_reset.service import InvalidResetToken, PasswordReset, VendorReset
from identry.signin import PasswordLoginDisabled
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import NewPassword, OpaqueToken, login_email

AccountType = Annotated[
    Literal["", "internal", "auto", "vendor"],
    msgspec.Meta(description="Which sign-in pipeline: empty, `internal` and `auto` are the users of this service."),
]


def mailbox(value: str) -> str:
    """What mail could be sent to: as at sign-in, but with something on both sides of an @."""
    name, _, domain = login_email(value).rpartition("@")
    if not name or not domain:
        raise ValueError("is not an e-mail address")
    return f"{name}@{domain}"


Mailbox = Annotated[str, msgspec.Meta(max_length=254, extra={"check": mailbox}, examples=["ada@example.com"])]
_REQUESTED = "if this address has an account, a mail with a link to set a new password is on its way"
_CONFIRMED = "the password was changed; sign in with the new one"


class ResetRequestBody(msgspec.Struct, rename="camel"):
    """Whose password to reset."""

    email: Mailbox
    account_type: AccountType = ""


class ResetRequested(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True):
    """The same for every address."""

    message: str
    reset_token: Annotated[
        str | None, msgspec.Meta(description="Only with `EXPOSE_PASSWORD_RESET_TOKEN=true`, for development.")
    ] = None


class ResetConfirmBody(msgspec.Struct, rename="camel"):
    """The token of the mail, and the new password."""

    token: OpaqueToken
    new_password: NewPassword


class ResetConfirmed(msgspec.Struct, rename="camel", frozen=True):
    """The password was changed."""

    message: str


def operations(reset: PasswordReset, *, expose_token: bool) -> list[Operation]:
    """The room's rows of the operation table; `expose_token` is `EXPOSE_PASSWORD_RESET_TOKEN`."""

    async def request(call: Call) -> ResetRequested:
        body: ResetRequestBody = call.body
        raw_token = await reset.request(body.email, body.account_type, call.origin)
        return ResetRequested(_REQUESTED, raw_token if expose_token else None)

    async def confirm(call: Call) -> ResetConfirmed:
        body: ResetConfirmBody = call.body
        await reset.confirm(body.token, body.new_password, call.origin)
        return ResetConfirmed(_CONFIRMED)

    return [
        Operation(
            "POST",
            "/auth/password-reset/request",
            request,
            "Ask for a link to set a new password",
            tag="Password reset",
            body=ResetRequestBody,
            reply=ResetRequested,
            limits=(RESET_REQUEST, RESET_REQUEST_EMAIL),
            errors=(VendorReset, PasswordLoginDisabled),
            description="Answers the same, in the same time, whether or not the address has an account; its "
            "limit counts addresses known or not. A newer link makes the older ones invalid.",
            example={"email": "ada@example.com"},
        ),
        Operation(
            "POST",
            "/auth/password-reset/confirm",
            confirm,
            "Set a new password with the token of the mail",
            tag="Password reset",
            body=ResetConfirmBody,
            reply=ResetConfirmed,
            limits=(RESET_CONFIRM,),
            errors=(InvalidResetToken, UnacceptablePassword, PasswordLoginDisabled),
            description="Ends every session of the account and signs nobody in. A second factor stays.",
            example={"token": "hvZ0…", "newPassword": "correct horse battery"},
        ),
    ]
