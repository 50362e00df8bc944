"""GET and POST /login/verify: the second step of a sign-in, by a code of the app or a recovery code."""

from __future__ import annotations

import msgspec

from identry.core.limits import BROWSER_MFA_VERIFY
from identry.flows.mfa.service import VerifyMfa
from identry.hosted import VERIFY, Hosted
from identry.second_factor import FactorUnreadable, StaleTicket, WrongCode
from identry.signin import AccountInactive, CredentialsChanged, PendingApproval, RegistrationRejected
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.pages import Show
from identry.web.trail import parameter
from identry.web.validation import RecoveryCode
from identry_kit.apierror import APIError


class CodeForm(msgspec.Struct):
    """One code: of the app, or a recovery code."""

    code: RecoveryCode


def verify_page(hosted: Hosted) -> Show:
    """The page itself: whatever finishes the sign-in is told on it what is wrong."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        step = hosted.steps.of(call, VERIFY)
        if step is None:
            return hosted.back_to_login(call)
        if isinstance(error, StaleTicket):
            return await hosted.over(call, error)
        wanted = parameter(call, "by")
        by = wanted if wanted in step.methods else next(iter(step.methods), "totp")
        return await hosted.show(call, "verify.html", error, by=by, methods=step.methods)

    return show


def operations(verify: VerifyMfa, hosted: Hosted, show: Show) -> list[Operation]:
    """The room's pages; `show` is the second step."""

    async def submit(call: Call) -> Answer:
        step = hosted.steps.of(call, VERIFY)
        if step is None:
            return hosted.back_to_login(call)
        return await hosted.arrive(call, verify(step.ticket, call.body.code, call.origin))

    return [
        hosted.pages.page(VERIFY, show, "Confirm that it is you"),
        hosted.pages.form(
            VERIFY,
            submit,
            show,
            "Finish a sign-in with a code",
            body=CodeForm,
            limits=(BROWSER_MFA_VERIFY,),
            errors=(
                WrongCode,
                StaleTicket,
                CredentialsChanged,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                FactorUnreadable,
            ),
        ),
    ]
