"""GET and POST /login: the page on which people sign in."""

from __future__ import annotations

import msgspec

from identry.core.known_devices import KnownDevices
from identry.core.limits import APP_ACCOUNT_FAILURES, PAGE_LOGIN
from identry.flows.login.service import Login, WrongCredentials
from identry.hosted import Doors, Hosted
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
)
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Operation
from identry.web.pages import Show
from identry.web.trail import Trail, parameter
from identry.web.validation import LoginEmail, LoginPassword
from identry_kit.apierror import APIError


class SignInForm(msgspec.Struct):
    """Address and password."""

    email: LoginEmail
    password: LoginPassword


def sign_in_page(hosted: Hosted, doors: Doors) -> Show:
    """The page itself: every form on it is told on it what is wrong."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        trail, known = Trail.of(call), await hosted.known(call)
        again = bool(trail.request or error or parameter(call, "again"))
        if known and not again:
            return hosted.pages.go(trail.onward)
        asking = await hosted.asking(call)
        email = (asking.login_hint if asking else "") or trail.email or (known.user.email if known else "")
        sign_up = doors.sign_up_for(asking.client if asking else None)
        return await hosted.show(
            call, "login.html", error, asking=asking, doors=doors, sign_up=sign_up, email=email, again=bool(known)
        )

    return show


def operations(login: Login, hosted: Hosted, show: Show, devices: KnownDevices, device: Cookie) -> list[Operation]:
    """The room's pages; `show` is the sign-in, `device` the cookie that keeps the token of a known device."""

    async def submit(call: Call) -> Answer:
        body: SignInForm = call.body
        signing_in = login(body.email, body.password, "", call.origin, device.read(call))
        return await hosted.arrive(call, signing_in, device.holding(devices.token(body.email)))

    return [
        hosted.pages.page("/login", show, "Sign in"),
        hosted.pages.form(
            "/login",
            submit,
            show,
            "Sign in with email and password",
            body=SignInForm,
            limits=(PAGE_LOGIN, APP_ACCOUNT_FAILURES),
            errors=(
                WrongCredentials,
                CredentialsChanged,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                PasswordLoginDisabled,
            ),
        ),
    ]
