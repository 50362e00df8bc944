"""POST /api/v1/auth/passkeys/login/options, …/login, …/mfa/options and …/mfa.

As in `passkey_register`, what the browser is given and what it answers are the JSON forms of WebAuthn Level 3.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from identry.browser import BROWSER_PATH, LoginOk, Replies
from identry.core.limits import PASSKEY_OPTIONS, PASSKEY_SIGN_IN
from identry.core.passkeys import Assertion, RelyingParty
from identry.core.secrets import new_token
from identry.flows.passkey_login.service import (
    NoPasskey,
    PasskeyLogin,
    PasskeyNotAccepted,
    StaleTicket,
    WrongPasskey,
)
from identry.records.passkey_challenges import TTL
from identry.records.passkeys import Passkey
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
    TenantInactive,
)
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Guard, Operation
from identry.web.passkeys import CredentialId, Encoded, PasskeyRef, bytes_of
from identry.web.validation import OpaqueToken

UserHandle = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9_\-]*$(?!\n)", max_length=86, description="base64url; may be empty.")
]
_GATES = (CredentialsChanged, PendingApproval, RegistrationRejected, AccountInactive, TenantInactive)
_CREDENTIAL = {
    "id": "kXqP3Y1gTn2s0fVd9bJHtA",
    "type": "public-key",
    "response": {
        "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
        "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MdAAAAAA",
        "signature": "MEUCIQDx",
        "userHandle": "b2theQ",
    },
}


class PasskeyAssertion(msgspec.Struct):
    """`response` of a signature."""

    client_data: Annotated[Encoded, msgspec.Meta(max_length=8192)] = msgspec.field(name="clientDataJSON")
    authenticator_data: Annotated[Encoded, msgspec.Meta(max_length=4096)] = msgspec.field(name="authenticatorData")
    signature: Annotated[Encoded, msgspec.Meta(max_length=1024)]
    user_handle: UserHandle | None = msgspec.field(name="userHandle", default=None)


class PasskeyCredential(msgspec.Struct):
    """What `navigator.credentials.get()` gave, as its `toJSON()` writes it; further fields are ignored."""

    id: CredentialId
    type: Literal["public-key"]
    response: PasskeyAssertion

    def read(self) -> Assertion:
        """Its bytes. Raises InvalidRequest."""
        handle = self.response.user_handle
        return Assertion(
            bytes_of("credential.id", self.id),
            bytes_of("credential.response.clientDataJSON", self.response.client_data),
            bytes_of("credential.response.authenticatorData", self.response.authenticator_data),
            bytes_of("credential.response.signature", self.response.signature),
            bytes_of("credential.response.userHandle", handle) if handle else None,
        )


class PasskeyLoginBody(msgspec.Struct):
    """The signature."""

    credential: PasskeyCredential


class PasskeySecondOptionsBody(msgspec.Struct):
    """The `session_token` of the first step."""

    session_token: OpaqueToken


class PasskeySecondBody(msgspec.Struct):
    """The `session_token` of the first step, and the signature."""

    session_token: OpaqueToken
    credential: PasskeyCredential


class PasskeyRequestOptions(msgspec.Struct, frozen=True, rename="camel"):
    """`PublicKeyCredentialRequestOptionsJSON`."""

    challenge: str
    timeout: int
    rp_id: str
    allow_credentials: list[PasskeyRef]
    user_verification: Literal["required"] = "required"


class PasskeyRequestView(msgspec.Struct, frozen=True):
    """What to ask the browser for."""

    public_key: PasskeyRequestOptions


def request_view(challenge: str, allowed: list[Passkey], party: RelyingParty) -> PasskeyRequestView:
    """What a browser is asked: to answer a challenge with one of these passkeys; none named: with any it has."""
    refs = [PasskeyRef.of(passkey) for passkey in allowed]
    return PasskeyRequestView(PasskeyRequestOptions(challenge, int(TTL.total_seconds() * 1000), party.id, refs))


def operations(login: PasskeyLogin, replies: Replies, party: RelyingParty, browser: Cookie) -> list[Operation]:
    """The room's rows of the operation table; `browser` is the cookie by which a browser is known again."""

    async def options(call: Call) -> Answer:
        # Kept when there is one: the challenges of other tabs stay good.
        secret = browser.read(call) or new_token()
        return Answer(request_view(await login.ask(secret, call.origin), [], party), cookies=(browser.holding(secret),))

    async def sign_in(call: Call) -> Answer:
        return await replies.of(login(browser.read(call), call.body.credential.read(), call.origin))

    async def second_options(call: Call) -> PasskeyRequestView:
        return request_view(*await login.ask_second(call.body.session_token, call.origin), party)

    async def second(call: Call) -> Answer:
        body: PasskeySecondBody = call.body
        signing_in = login.second(body.session_token, body.credential.read(), call.origin)
        return await replies.of(signing_in, by_password=True)

    path = f"{BROWSER_PATH}/passkeys"
    return [
        Operation(
            "POST",
            f"{path}/login/options",
            options,
            "What to ask the browser for, to sign in with a passkey",
            tag="Browser",
            surface="browser",
            guard=Guard.COOKIE,
            reply=PasskeyRequestView,
            limits=(PASSKEY_OPTIONS,),
            errors=(PasswordLoginDisabled,),
            description="No body, `Content-Type: application/json`, with credentials: a cookie binds the challenge to "
            "the browser. Hand `public_key` to `PublicKeyCredential.parseRequestOptionsFromJSON`; with `mediation: "
            '"conditional"` the browser offers passkeys where the address is typed. Good for five minutes and one use.',
        ),
        Operation(
            "POST",
            f"{path}/login",
            sign_in,
            "Sign in with a passkey",
            tag="Browser",
            surface="browser",
            guard=Guard.COOKIE,
            body=PasskeyLoginBody,
            reply=LoginOk,
            limits=(PASSKEY_SIGN_IN,),
            errors=(PasskeyNotAccepted, PasswordLoginDisabled, *_GATES),
            description="A passkey is both factors: the device, and the PIN or biometrics that unlock it. Whatever is "
            "wrong with it, the answer is the same.",
            example={"credential": _CREDENTIAL},
        ),
        Operation(
            "POST",
            f"{path}/mfa/options",
            second_options,
            "What to ask the browser for, as the second step of a sign-in",
            tag="Browser",
            surface="browser",
            body=PasskeySecondOptionsBody,
            reply=PasskeyRequestView,
            limits=(PASSKEY_OPTIONS,),
            errors=(StaleTicket, NoPasskey),
            description="For a sign-in that answered `mfa_required` with `passkey` among its `methods`.",
            example={"session_token": "hvZ0…"},
        ),
        Operation(
            "POST",
            f"{path}/mfa",
            second,
            "Finish a sign-in with a passkey",
            tag="Browser",
            surface="browser",
            body=PasskeySecondBody,
            reply=LoginOk,
            limits=(PASSKEY_SIGN_IN,),
            errors=(WrongPasskey, StaleTicket, PasswordLoginDisabled, *_GATES),
            description="Each try costs the `session_token` one of its five, and its challenge: ask for new options.",
            example={"session_token": "hvZ0…", "credential": _CREDENTIAL},
        ),
    ]
