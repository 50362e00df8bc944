"""GET and POST /login/set-up, POST /login/set-up/confirm: a sign-in that demands a second factor sets one up."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec

from identry.core import qr
from identry.core.limits import MFA_CHANGE, MFA_MANAGE
from identry.flows.mfa_setup.service import AlreadyEnabled, MfaSetup, NoPendingSetup
from identry.hosted import SET_UP, Hosted
from identry.pages.devices import described
from identry.second_factor import FactorUnreadable, StaleTicket, WrongCode
from identry.signin import AccountInactive, CredentialsChanged, PendingApproval, RegistrationRejected
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.pages import Show
from identry.web.trail import Trail
from identry.web.validation import TotpCode
from identry_kit.apierror import APIError

_GATES = (PendingApproval, RegistrationRejected, AccountInactive)
_URI = "otpauth://totp/"


class BeginForm(msgspec.Struct):
    """Nothing but the wish."""


class ConfirmForm(msgspec.Struct):
    """The first code; secret and address come along so that they can be shown again."""

    code: TotpCode
    secret: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Z2-7]*$")] = ""
    otpauth: Annotated[str, msgspec.Meta(max_length=600)] = ""


def set_up_page(hosted: Hosted, *, passkey: bool) -> Show:
    """The page itself, on which every factor that may be set up is offered; `passkey`: whether there can be one."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        if hosted.steps.of(call, SET_UP) is None:
            return hosted.back_to_login(call)
        if isinstance(error, StaleTicket | AlreadyEnabled):
            return await hosted.over(call, error)
        device = described(call.header(b"user-agent")) if passkey else None
        return await hosted.show(call, "set_up.html", error, passkey=passkey, device=device)

    return show


def operations(setup: MfaSetup, hosted: Hosted, show: Show) -> list[Operation]:
    """The room's pages; `show` is the one that offers the set-up."""

    async def begin(call: Call) -> Answer:
        step = hosted.steps.of(call, SET_UP)
        if step is None:
            return hosted.back_to_login(call)
        shown = await setup.begin(step.ticket, call.origin)
        return await hosted.show(
            call, "set_up_app.html", secret=shown.secret, otpauth=shown.otpauth_uri, qr=shown.qr_svg
        )

    async def again(call: Call, error: APIError | None = None) -> Answer:
        """The same secret, as the page that was sent showed it."""
        secret, otpauth = call.typed.get("secret", ""), call.typed.get("otpauth", "")
        ended = isinstance(error, StaleTicket | AlreadyEnabled | NoPendingSetup)
        if ended or not otpauth.startswith(_URI) or len(otpauth) > 600:
            return await show(call, error)
        drawn = await asyncio.to_thread(qr.svg, otpauth)
        return await hosted.show(call, "set_up_app.html", error, secret=secret[:64], otpauth=otpauth, qr=drawn)

    async def confirm(call: Call) -> Answer:
        step = hosted.steps.of(call, SET_UP)
        if step is None:
            return hosted.back_to_login(call)
        enabled = await setup.enable(step.ticket, call.body.code, call.origin)
        lines = await hosted.opened(call, enabled.signed_in) if enabled.signed_in else ()
        return await hosted.show(
            call,
            "set_up_codes.html",
            codes=enabled.recovery_codes,
            onward=Trail.of(call).onward,
            cookies=lines,
        )

    form = hosted.pages.form
    return [
        hosted.pages.page(SET_UP, show, "A second factor is demanded"),
        form(
            SET_UP,
            begin,
            show,
            "Begin to set up an authenticator app",
            body=BeginForm,
            limits=(MFA_MANAGE,),
            errors=(StaleTicket, AlreadyEnabled, *_GATES),
        ),
        form(
            f"{SET_UP}/confirm",
            confirm,
            again,
            "Turn the second factor on with its first code",
            body=ConfirmForm,
            limits=(MFA_MANAGE, MFA_CHANGE),
            errors=(
                StaleTicket,
                WrongCode,
                CredentialsChanged,
                AlreadyEnabled,
                NoPendingSetup,
                *_GATES,
                FactorUnreadable,
            ),
        ),
    ]
