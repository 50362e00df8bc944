"""POST /login/set-up/passkey and its options: a sign-in that demands a second factor adds a passkey, and goes on."""

from __future__ import annotations

from typing import Any

import msgspec

from identry.core.limits import PASSKEY_OPTIONS, PASSKEY_REGISTER
from identry.core.passkeys import RelyingParty
from identry.flows.passkey_register.own_pages import AddForm, AskForm, answer_of
from identry.flows.passkey_register.routes import PasskeyCreationView, creation_options
from identry.flows.passkey_register.service import (
    PasskeyExists,
    PasskeyRefused,
    RegisterPasskey,
    StaleSetupTicket,
    TooManyPasskeys,
)
from identry.hosted import SET_UP, Hosted
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
)
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.pages import Show
from identry_kit.apierror import APIError

_PATH = f"{SET_UP}/passkey"
_PROOF = (StaleSetupTicket, TooManyPasskeys)


def operations(
    register: RegisterPasskey, hosted: Hosted, party: RelyingParty, name: str, page: Show
) -> list[Operation]:
    """The room's forms on `page`, which offers the set-up."""

    async def options(call: Call) -> Answer:
        step = hosted.steps.of(call, SET_UP)
        if step is None:
            raise StaleSetupTicket
        asking = await register.ask(await register.signing_in(step.ticket, call.origin))
        return Answer(msgspec.json.encode(PasskeyCreationView(creation_options(asking, party, name))))

    async def add(call: Call) -> Answer:
        step = hosted.steps.of(call, SET_UP)
        if step is None:
            return hosted.back_to_login(call)
        who = await register.signing_in(step.ticket, call.origin)
        answer = answer_of(call.body.credential)
        return await hosted.arrive(call, register.add_and_sign_in(who, answer, call.body.name, call.origin))

    async def show(call: Call, error: APIError | None = None) -> Answer:
        return await (hosted.over(call, error) if isinstance(error, StaleSetupTicket) else page(call, error))

    form, limits = hosted.pages.form, (PASSKEY_OPTIONS, PASSKEY_REGISTER)
    asked: dict[str, Any] = {"body": AskForm, "media_type": "application/json"}
    return [
        form(f"{_PATH}/options", options, show, "What to ask the browser for", limits=limits, errors=_PROOF, **asked),
        form(
            _PATH,
            add,
            show,
            "Add the passkey that is demanded",
            body=AddForm,
            limits=limits,
            errors=(
                *_PROOF,
                PasskeyRefused,
                PasskeyExists,
                CredentialsChanged,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                PasswordLoginDisabled,
            ),
        ),
    ]
