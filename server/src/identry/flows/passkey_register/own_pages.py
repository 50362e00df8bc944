"""/account/passkeys/add: somebody who is signed in adds a passkey; the one page that needs a script."""

from __future__ import annotations

from typing import Annotated

import msgspec

from identry.core.limits import PASSKEY_OPTIONS, PASSKEY_REGISTER
from identry.core.passkeys import Attestation, RelyingParty
from identry.flows.passkey_register.routes import (
    NewPasskeyCredential,
    PasskeyCreationView,
    PasskeyName,
    creation_options,
    given_by,
)
from identry.flows.passkey_register.service import (
    PasskeyExists,
    PasskeyRefused,
    RegisterPasskey,
    TooManyPasskeys,
    signed_in,
)
from identry.signin import AccountInactive, PendingApproval, RegistrationRejected
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.errors import InvalidRequest
from identry.web.operations import Operation
from identry.web.step_up import RECENT
from identry.web.validation import secret
from identry_kit.apierror import APIError

_LIST = f"{HOME}/passkeys"
_PATH = f"{_LIST}/add"

_decode = msgspec.json.Decoder(NewPasskeyCredential).decode
_encode = msgspec.json.Encoder().encode


class AskForm(msgspec.Struct):
    """Nothing."""


class AddForm(msgspec.Struct):
    """What the browser's authenticator answered, as JSON, and a name for it."""

    credential: Annotated[str, msgspec.Meta(max_length=100_000, extra={"check": secret})]
    name: PasskeyName


def operations(register: RegisterPasskey, account: AccountPages, party: RelyingParty, name: str) -> list[Operation]:
    """The room's pages."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        return await account.show(call, "security", "passkey_add", error)

    async def options(call: Call) -> Answer:
        asking = await register.ask(signed_in(call.actor.user, call.actor.session_id))
        return Answer(_encode(PasskeyCreationView(creation_options(asking, party, name))))

    async def add(call: Call) -> Answer:
        answer = answer_of(call.body.credential)
        who = signed_in(call.actor.user, call.actor.session_id)
        await register.add(who, answer, call.body.name, call.origin)
        return account.done(_LIST, "passkeys.added")

    limits = (PASSKEY_OPTIONS, PASSKEY_REGISTER)
    return [
        account.page(_PATH, show, "Add a passkey", fresh=RECENT),
        account.data(
            f"{_PATH}/options",
            options,
            "What to ask the browser for, to add a passkey",
            body=AskForm,
            fresh=RECENT,
            limits=limits,
            errors=(TooManyPasskeys,),
        ),
        account.form(
            _PATH,
            add,
            show,
            "Add a passkey",
            body=AddForm,
            fresh=RECENT,
            limits=limits,
            errors=(
                PasskeyRefused,
                PasskeyExists,
                TooManyPasskeys,
                AccountInactive,
                PendingApproval,
                RegistrationRejected,
            ),
        ),
    ]


def answer_of(credential: str) -> Attestation:
    """The authenticator's answer, as a page's script sends it.

    Raises:
        PasskeyRefused: it is none.
    """
    try:
        return given_by(_decode(credential))
    except (msgspec.DecodeError, InvalidRequest):
        raise PasskeyRefused from None
