"""GET and POST /signup: somebody asks for an account, of the platform or of the application that sent them here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from identry.core.limits import REGISTER
from identry.core.new_passwords import UnacceptablePassword
from identry.core.origin import Origin
from identry.flows.register.service import EmailTaken, Register, Registration, RegistrationDisabled
from identry.hosted import Doors, Hosted
from identry.records.clients import Client
from identry.signin import EmailDomainNotAllowed, PasswordLoginDisabled
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.trail import Trail
from identry.web.validation import Email, FullName, NewPassword
from identry_kit.apierror import APIError

PATH = "/signup"


class SignUpForm(msgspec.Struct):
    """Who asks for an account."""

    full_name: FullName
    email: Email
    password: NewPassword


AtApplication = Callable[[Client, SignUpForm, Origin], Awaitable[None]]
"""Makes an account of an application."""


def operations(
    register: Register,
    hosted: Hosted,
    doors: Doors,
    at_application: AtApplication,
    refusals: tuple[type[APIError], ...],
) -> list[Operation]:
    """The room's pages; `refusals` are the errors of `at_application`."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        asking = await hosted.asking(call)
        email = asking.login_hint if asking else Trail.of(call).email
        closed = not doors.sign_up_for(asking.client if asking else None)
        error = error or (RegistrationDisabled() if closed else None)
        return await hosted.show(call, "signup.html", error, asking=asking, email=email, closed=closed)

    async def submit(call: Call) -> Answer:
        form: SignUpForm = call.body
        asking = await hosted.asking(call)
        if asking is not None:
            await at_application(asking.client, form, call.origin)
        else:
            await register(Registration(form.email, form.password, form.full_name, None, None), call.origin)
        return hosted.pages.go(Trail.of(call).to(f"{PATH}/done"))

    async def done(call: Call, error: APIError | None = None) -> Answer:
        return await hosted.show(call, "signup_done.html", error)

    return [
        hosted.pages.page(PATH, show, "Create an account", errors=(RegistrationDisabled,)),
        hosted.pages.form(
            PATH,
            submit,
            show,
            "Ask for an account",
            body=SignUpForm,
            limits=(REGISTER,),
            errors=(
                RegistrationDisabled,
                PasswordLoginDisabled,
                EmailDomainNotAllowed,
                EmailTaken,
                UnacceptablePassword,
                *refusals,
            ),
        ),
        hosted.pages.page(f"{PATH}/done", done, "What happens next"),
    ]
