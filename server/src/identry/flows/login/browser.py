"""POST /api/v1/auth/login."""

from __future__ import annotations

import msgspec

from identry.browser import BROWSER_PATH, NEXT_STEPS, LoginOk, Replies
from identry.core.limits import ACCOUNT_FAILURES, BROWSER_LOGIN
from identry.flows.login.service import Login, WrongCredentials
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
    TenantInactive,
)
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.validation import LoginEmail, LoginPassword


class BrowserLoginBody(msgspec.Struct):
    """Address and password."""

    email: LoginEmail
    password: LoginPassword


def operations(login: Login, replies: Replies) -> list[Operation]:
    """The room's rows of the browser surface."""

    async def handle(call: Call) -> Answer:
        body: BrowserLoginBody = call.body
        signing_in = login(body.email, body.password, "", call.origin, replies.device.read(call))
        return await replies.of(signing_in, by_password=True)

    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/login",
            handle,
            "Sign in with email and password",
            tag="Browser",
            surface="browser",
            body=BrowserLoginBody,
            reply=LoginOk,
            or_replies=NEXT_STEPS,
            limits=(BROWSER_LOGIN, ACCOUNT_FAILURES),
            errors=(
                WrongCredentials,
                CredentialsChanged,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                TenantInactive,
                PasswordLoginDisabled,
            ),
            description="The session belongs to the newest active tenant of the account. The refresh token is in the "
            "cookie `refresh_token`, never in the body. With `mfa_required` or `mfa_setup_required` there is neither "
            "token nor cookie yet. A second cookie, `__Host-identry_device`, says that a password was right in "
            "this browser: wrong ones then count for it, so nobody else at its address locks its owner out.",
            example={"email": "ada@example.com", "password": "correct horse battery"},
        )
    ]
