"""POST /api/v1/auth/passkeys/register/options and POST /api/v1/auth/passkeys/register.

What the browser is given and what it answers are the JSON forms of WebAuthn Level 3 (§5.1.8 to §5.1.9), in their own
camelCase: a page hands them to `PublicKeyCredential.parseCreationOptionsFromJSON` and takes them from `toJSON()`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from identry.browser import BROWSER_PATH, LoginOk, Replies
from identry.core.base64url import encoded
from identry.core.limits import PASSKEY_OPTIONS, PASSKEY_REGISTER
from identry.core.passkeys import ALGORITHMS, Attestation, RelyingParty
from identry.flows.passkey_register.service import (
    Asking,
    PasskeyExists,
    PasskeyRefused,
    RegisterPasskey,
    Registrant,
    StaleSetupTicket,
    TooManyPasskeys,
    signed_in,
)
from identry.records.passkey_challenges import TTL
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
    TenantInactive,
)
from identry.web.call import Answer, Call
from identry.web.operations import Guard, Operation
from identry.web.passkeys import CredentialId, Encoded, PasskeyRef, PasskeyView, bytes_of
from identry.web.step_up import RECENT
from identry.web.validation import OpaqueToken, line
from identry_kit.jwtauth import MissingToken

PasskeyName = Annotated[str, msgspec.Meta(max_length=80, extra={"check": line}, examples=["Ada’s laptop"])]
Transport = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9\-]{1,32}$(?!\n)", examples=["internal"])]


class PasskeyRegisterOptionsBody(msgspec.Struct):
    """Nothing with an access token; else the `session_token` of a sign-in that answered `mfa_setup_required`."""

    session_token: OpaqueToken | None = None


class PasskeyAttestation(msgspec.Struct):
    """`response` of a new credential."""

    client_data: Annotated[Encoded, msgspec.Meta(max_length=8192)] = msgspec.field(name="clientDataJSON")
    attestation: Annotated[Encoded, msgspec.Meta(max_length=65536)] = msgspec.field(name="attestationObject")
    transports: Annotated[list[Transport], msgspec.Meta(max_length=10)] = msgspec.field(default_factory=list)


class NewPasskeyCredential(msgspec.Struct):
    """What `navigator.credentials.create()` gave, as its `toJSON()` writes it; further fields are ignored."""

    id: CredentialId
    type: Literal["public-key"]
    response: PasskeyAttestation


class PasskeyRegisterBody(msgspec.Struct):
    """The new credential, a name for it, and the `session_token` that its options were asked with, if any."""

    credential: NewPasskeyCredential
    name: PasskeyName = "Passkey"
    session_token: OpaqueToken | None = None


class PasskeyRelyingParty(msgspec.Struct, frozen=True):
    """The deployment."""

    id: str
    name: str


class PasskeyUser(msgspec.Struct, frozen=True, rename="camel"):
    """The account, as the authenticator will show it; `id` is random."""

    id: str
    name: str
    display_name: str


class PasskeyAlgorithm(msgspec.Struct, frozen=True):
    """An algorithm: -7 is ES256, -8 EdDSA, -257 RS256."""

    alg: int
    type: Literal["public-key"] = "public-key"


class PasskeyAuthenticators(msgspec.Struct, frozen=True, rename="camel"):
    """Which authenticators: those that find the account by themselves and verify the person."""

    resident_key: Literal["required"] = "required"
    require_resident_key: Literal[True] = True
    user_verification: Literal["required"] = "required"


class PasskeyCreationOptions(msgspec.Struct, frozen=True, rename="camel"):
    """`PublicKeyCredentialCreationOptionsJSON`."""

    rp: PasskeyRelyingParty
    user: PasskeyUser
    challenge: str
    pub_key_cred_params: list[PasskeyAlgorithm]
    timeout: int
    exclude_credentials: list[PasskeyRef]
    authenticator_selection: PasskeyAuthenticators
    attestation: Literal["none"] = "none"


class PasskeyCreationView(msgspec.Struct, frozen=True):
    """What to ask the browser for."""

    public_key: PasskeyCreationOptions


def operations(register: RegisterPasskey, replies: Replies, party: RelyingParty, name: str) -> list[Operation]:
    """The room's rows of the operation table."""

    async def registrant(call: Call) -> Registrant:
        if (caller := call.caller) is not None:
            return signed_in(caller.user, caller.session_id)
        if call.body.session_token is None:
            raise MissingToken
        return await register.signing_in(call.body.session_token, call.origin)

    async def options(call: Call) -> PasskeyCreationView:
        return PasskeyCreationView(creation_options(await register.ask(await registrant(call)), party, name))

    async def add(call: Call) -> Answer:
        body: PasskeyRegisterBody = call.body
        who = await registrant(call)
        answer = given_by(body.credential)
        if who.ticket is not None:
            return await replies.of(register.add_and_sign_in(who, answer, body.name, call.origin), status=201)
        return Answer(PasskeyView.of(await register.add(who, answer, body.name, call.origin)))

    proof = (StaleSetupTicket, TooManyPasskeys)
    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/passkeys/register/options",
            options,
            "What to ask the browser for, to add a passkey",
            tag="Browser",
            surface="browser",
            guard=Guard.TICKET,
            fresh=RECENT,
            body=PasskeyRegisterOptionsBody,
            reply=PasskeyCreationView,
            limits=(PASSKEY_OPTIONS, PASSKEY_REGISTER),
            errors=proof,
            description="With an access token whose sign-in is at most ten minutes old, or with the `session_token` of "
            "a sign-in that answered `mfa_setup_required`. Hand `public_key` to "
            "`PublicKeyCredential.parseCreationOptionsFromJSON`. The challenge is good for five minutes and one use.",
            example={},
        ),
        Operation(
            "POST",
            f"{BROWSER_PATH}/passkeys/register",
            add,
            "Add a passkey",
            tag="Browser",
            surface="browser",
            guard=Guard.TICKET,
            fresh=RECENT,
            body=PasskeyRegisterBody,
            reply=PasskeyView,
            or_replies=(LoginOk,),
            status=201,
            limits=(PASSKEY_OPTIONS,),
            errors=(
                *proof,
                PasskeyRefused,
                PasskeyExists,
                CredentialsChanged,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                TenantInactive,
                PasswordLoginDisabled,
            ),
            description="`credential` is what `navigator.credentials.create()` gave, as its `toJSON()` writes it. With "
            "a `session_token` the answer is that of a sign-in: tokens and cookie. The person is told by mail.",
            example={
                "credential": {
                    "id": "kXqP3Y1gTn2s0fVd9bJHtA",
                    "type": "public-key",
                    "response": {
                        "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0",
                        "attestationObject": "o2NmbXRkbm9uZQ",
                        "transports": ["internal", "hybrid"],
                    },
                },
                "name": "Ada’s laptop",
            },
        ),
    ]


def given_by(credential: NewPasskeyCredential) -> Attestation:
    """The answer of an authenticator.

    Raises:
        InvalidRequest: something in it is no base64url.
    """
    return Attestation(
        bytes_of("credential.id", credential.id),
        bytes_of("credential.response.clientDataJSON", credential.response.client_data),
        bytes_of("credential.response.attestationObject", credential.response.attestation),
        tuple(dict.fromkeys(credential.response.transports)),
    )


def creation_options(asking: Asking, party: RelyingParty, name: str) -> PasskeyCreationOptions:
    """What the browser is asked for, by a deployment that calls itself `name`."""
    return PasskeyCreationOptions(
        PasskeyRelyingParty(party.id, name),
        PasskeyUser(encoded(asking.handle), asking.user.email, asking.user.full_name or asking.user.email),
        asking.challenge,
        [PasskeyAlgorithm(int(alg)) for alg in ALGORITHMS],
        int(TTL.total_seconds() * 1000),
        [PasskeyRef.of(passkey) for passkey in asking.known],
        PasskeyAuthenticators(),
    )
