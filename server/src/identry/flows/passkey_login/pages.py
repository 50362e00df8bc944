"""POST /login/passkey, /login/verify/passkey and the options of each: passkeys on the pages of a sign-in.

The one thing on these pages that needs a script: it asks for options, lets the browser answer them, and sends the form.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from identry.core.limits import PASSKEY_OPTIONS, PASSKEY_SIGN_IN
from identry.core.passkeys import Assertion, RelyingParty
from identry.flows.passkey_login.routes import PasskeyCredential, PasskeyRequestView, request_view
from identry.flows.passkey_login.service import NoPasskey, PasskeyLogin, PasskeyNotAccepted, StaleTicket, WrongPasskey
from identry.hosted import VERIFY, Hosted
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
)
from identry.web.call import Answer, Call
from identry.web.decoding import decode_body
from identry.web.operations import Operation
from identry.web.pages import Show
from identry_kit.apierror import APIError

_GATES = (CredentialsChanged, PendingApproval, RegistrationRejected, AccountInactive)


class AskForm(msgspec.Struct):
    """Nothing but the wish."""


class PasskeyForm(msgspec.Struct):
    """What the browser's passkey answered: `PasskeyCredential` as JSON."""

    credential: Annotated[str, msgspec.Meta(max_length=20_000)]


def operations(
    login: PasskeyLogin, hosted: Hosted, party: RelyingParty, sign_in: Show, verify: Show
) -> list[Operation]:
    """The room's forms; `sign_in` and `verify` are the pages that they are on."""
    forms = hosted.pages.forms

    async def options(call: Call) -> Answer:
        secret, _ = forms.browser(call)
        return _json(request_view(await login.ask(secret, call.origin), [], party))

    async def submit(call: Call) -> Answer:
        return await hosted.arrive(call, login(forms.cookie.read(call), _assertion(call), call.origin))

    async def second_options(call: Call) -> Answer:
        step = hosted.steps.of(call, VERIFY)
        if step is None:
            raise StaleTicket
        return _json(request_view(*await login.ask_second(step.ticket, call.origin), party))

    async def second(call: Call) -> Answer:
        step = hosted.steps.of(call, VERIFY)
        if step is None:
            return hosted.back_to_login(call)
        return await hosted.arrive(call, login.second(step.ticket, _assertion(call), call.origin))

    async def over(call: Call, error: APIError | None = None) -> Answer:
        return await (hosted.over(call, error) if isinstance(error, StaleTicket) else verify(call, error))

    form = hosted.pages.form
    asked: Any = {"body": AskForm, "limits": (PASSKEY_OPTIONS,), "media_type": "application/json"}
    sent: Any = {"body": PasskeyForm, "limits": (PASSKEY_SIGN_IN,)}
    return [
        form(
            "/login/passkey/options",
            options,
            sign_in,
            "What to ask the browser for",
            errors=(PasswordLoginDisabled,),
            **asked,
        ),
        form(
            "/login/passkey",
            submit,
            sign_in,
            "Sign in with a passkey",
            errors=(PasskeyNotAccepted, PasswordLoginDisabled, *_GATES),
            **sent,
        ),
        form(
            f"{VERIFY}/passkey/options",
            second_options,
            over,
            "What to ask the browser for, as the second step",
            errors=(StaleTicket, NoPasskey),
            **asked,
        ),
        form(
            f"{VERIFY}/passkey",
            second,
            over,
            "Finish a sign-in with a passkey",
            errors=(WrongPasskey, StaleTicket, *_GATES),
            **sent,
        ),
    ]


def _assertion(call: Call) -> Assertion:
    """The answer of the passkey. Raises InvalidRequest."""
    credential: PasskeyCredential = decode_body(PasskeyCredential, call.body.credential.encode())
    return credential.read()


def _json(view: PasskeyRequestView) -> Answer:
    return Answer(msgspec.json.encode(view))
