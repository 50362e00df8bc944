"""POST /api/auth/login: a member of an application signs in there, both factors in one call."""

from __future__ import annotations

from typing import Annotated

import msgspec

from identry.app_refusals import REFUSALS, DpopNeeded, UnknownApplication
from identry.app_signin import AppSignIn
from identry.app_signin import Login as SignedInThere
from identry.core.known_devices import KnownDevices
from identry.core.limits import APP_ACCOUNT_FAILURES, APP_LOGIN
from identry.flows.login.service import Login, WrongCredentials
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE
from identry.web.operations import Operation
from identry.web.validation import ClientIdOf, LoginEmail, LoginPassword, MfaCode
from identry_kit.apierror import Forbidden


class AccountLocked(Forbidden):
    """403: too many wrong passwords for this account from this address; come back after `Retry-After` seconds."""

    message = "account locked; try again later"


DeviceToken = Annotated[
    str,
    msgspec.Meta(
        max_length=200,
        description="Of an earlier sign-in of this person on this device; empty to be given the first one. Wrong "
        "passwords then count for the device, so nobody else at its address locks it out.",
        extra={"lenient": True},
    ),
]


class AppLoginBody(msgspec.Struct):
    """Who, where, and what proves it."""

    email: LoginEmail
    password: LoginPassword
    app_client_id: ClientIdOf
    mfa_code: MfaCode = ""
    device_token: DeviceToken | None = None


def operations(login: Login, people: AppSignIn, devices: KnownDevices) -> list[Operation]:
    """The room's rows of the provider surface."""

    async def handle(call: Call) -> Answer:
        body: AppLoginBody = call.body
        client = await people.application(body.app_client_id)
        user = await login.prove(body.email, body.password, "", call.origin, body.device_token)
        signed_in = await people.complete(user, client, ("pwd",), body.mfa_code or None, call.origin, "password")
        if body.device_token is not None:
            signed_in = msgspec.structs.replace(signed_in, device_token=devices.token(body.email))
        return Answer(signed_in, headers=NO_STORE)

    return [
        Operation(
            "POST",
            "/api/auth/login",
            handle,
            "Sign in at an application with email and password",
            tag="Accounts of applications",
            surface="api",
            body=AppLoginBody,
            reply=SignedInThere,
            limits=(APP_LOGIN, APP_ACCOUNT_FAILURES),
            errors=(
                UnknownApplication,
                DpopNeeded,
                WrongCredentials,
                AccountLocked,
                *REFUSALS,
            ),
            description="With `mfa_required` send the same again with `mfa_code`: a code of the authenticator app, or "
            "a recovery code. Who used up the tries of an account is told that it is locked, for this address alone; a "
            "device that sent and kept its `device_token` has tries of its own.",
            example={"email": "ada@example.com", "password": "correct horse battery", "app_client_id": "reports"},
        )
    ]
