"""/forgot-password and /reset-password: ask for a link, use it, on pages."""

from __future__ import annotations

import msgspec

from identry.core.limits import APP_RESET_CONFIRM, APP_RESET_REQUEST, RESET_REQUEST_EMAIL
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.password_reset.routes import Mailbox
from identry.flows.password_reset.service import InvalidResetToken, PasswordReset
from identry.hosted import Hosted
from identry.signin import PasswordLoginDisabled
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.trail import Trail, parameter
from identry.web.validation import NewPassword, OpaqueToken
from identry_kit.apierror import APIError

FORGOT, RESET = "/forgot-password", "/reset-password"


class ForgotForm(msgspec.Struct):
    """Whose password."""

    email: Mailbox


class ResetForm(msgspec.Struct):
    """The token of the mail, and the new password."""

    token: OpaqueToken
    new_password: NewPassword


def operations(reset: PasswordReset, hosted: Hosted) -> list[Operation]:
    """The room's pages."""

    async def forgot(call: Call, error: APIError | None = None) -> Answer:
        asking = await hosted.asking(call)
        email = asking.login_hint if asking else Trail.of(call).email
        return await hosted.show(call, "forgot.html", error, asking=asking, email=email)

    async def request(call: Call) -> Answer:
        await reset.request(call.body.email, "", call.origin)
        return hosted.pages.go(Trail.of(call).to(f"{FORGOT}/sent"))

    async def sent(call: Call, error: APIError | None = None) -> Answer:
        return await hosted.show(call, "forgot_sent.html", error)

    async def choose(call: Call, error: APIError | None = None) -> Answer:
        token = call.typed.get("token") or parameter(call, "token")
        gone = not token or isinstance(error, InvalidResetToken)
        return await hosted.show(call, "reset_gone.html" if gone else "reset.html", error, token=token)

    async def confirm(call: Call) -> Answer:
        body: ResetForm = call.body
        await reset.confirm(body.token, body.new_password, call.origin, field="new_password")
        return hosted.pages.go(f"{RESET}/done")

    async def done(call: Call, error: APIError | None = None) -> Answer:
        return await hosted.show(call, "reset_done.html", error)

    page, form = hosted.pages.page, hosted.pages.form
    return [
        page(FORGOT, forgot, "Forgot password"),
        form(
            FORGOT,
            request,
            forgot,
            "Ask for a link to set a new password",
            body=ForgotForm,
            limits=(APP_RESET_REQUEST, RESET_REQUEST_EMAIL),
            errors=(PasswordLoginDisabled,),
        ),
        page(f"{FORGOT}/sent", sent, "The link is on its way"),
        page(RESET, choose, "Choose a new password"),
        form(
            RESET,
            confirm,
            choose,
            "Set a new password with the token of the mail",
            body=ResetForm,
            limits=(APP_RESET_CONFIRM,),
            errors=(InvalidResetToken, UnacceptablePassword, PasswordLoginDisabled),
        ),
        page(f"{RESET}/done", done, "The password was changed"),
    ]
