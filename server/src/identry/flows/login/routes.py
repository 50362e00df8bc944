"""POST /auth/login."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from identry.core.limits import ACCOUNT_FAILURES, LOGIN
from identry.flows.login.service import Login, VendorLogin, WrongCredentials
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    MfaRequired,
    MfaSetupRequired,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
)
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import LoginEmail, LoginPassword
from identry.web.views import SignedInView

AccountType = Annotated[
    Literal["", "internal", "auto", "vendor"],
    msgspec.Meta(description="Which sign-in pipeline: empty, `internal` and `auto` are the users of this service."),
]


class LoginBody(msgspec.Struct, rename="camel"):
    """Address and password."""

    email: LoginEmail
    password: LoginPassword
    account_type: AccountType = ""


def operations(login: Login) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> SignedInView:
        body: LoginBody = call.body
        signed_in = await login(body.email, body.password, body.account_type, call.origin)
        return SignedInView.of(signed_in.tokens, signed_in.user)

    return [
        Operation(
            "POST",
            "/auth/login",
            handle,
            "Sign in with email and password",
            tag="Sign in",
            body=LoginBody,
            reply=SignedInView,
            limits=(LOGIN, ACCOUNT_FAILURES),
            errors=(
                WrongCredentials,
                CredentialsChanged,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                MfaRequired,
                MfaSetupRequired,
                PasswordLoginDisabled,
                VendorLogin,
            ),
            description="`login` counts tries of a client address, `account failures` wrong passwords of a pair of "
            "client address and account: a stranger cannot lock an owner out.",
            example={"email": "ada@example.com", "password": "correct horse battery"},
        )
    ]
