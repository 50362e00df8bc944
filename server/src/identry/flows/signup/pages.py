"""GET and POST /verify-email: the link of the mail is opened, and a button proves the address.

Not the opening itself: what looks at mail before its reader does opens links too.
"""

from __future__ import annotations

import msgspec

from identry.core.limits import VERIFY_EMAIL
from identry.flows.signup.verification import InvalidVerification, VerifyEmail
from identry.hosted import Hosted
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.trail import parameter
from identry.web.validation import OpaqueToken
from identry_kit.apierror import APIError

_PATH = "/verify-email"


class VerifyForm(msgspec.Struct):
    """The token of the mail."""

    token: OpaqueToken


def operations(verify: VerifyEmail, hosted: Hosted) -> list[Operation]:
    """The room's pages."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        token = call.typed.get("token") or parameter(call, "token")
        gone = not token or isinstance(error, InvalidVerification)
        return await hosted.show(call, "verify_email_gone.html" if gone else "verify_email.html", error, token=token)

    async def submit(call: Call) -> Answer:
        await verify(call.body.token, call.origin)
        return hosted.pages.go(f"{_PATH}/done")

    async def done(call: Call, error: APIError | None = None) -> Answer:
        return await hosted.show(call, "verify_email_done.html", error)

    return [
        hosted.pages.page(_PATH, show, "Confirm an email address"),
        hosted.pages.form(
            _PATH,
            submit,
            show,
            "Prove an address with the token of the mail",
            body=VerifyForm,
            limits=(VERIFY_EMAIL,),
            errors=(InvalidVerification,),
        ),
        hosted.pages.page(f"{_PATH}/done", done, "The address is confirmed"),
    ]
