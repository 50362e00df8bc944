"""POST /api/admin/login and /api/admin/elevate: administrators of the platform sign in at the house's own application.

`elevate` proves the caller again: a token as fresh as what cannot be undone asks for, and no longer grant than that.
"""

from __future__ import annotations

from typing import Any

import msgspec

from identry.app_refusals import REFUSALS, DpopNeeded, UnknownApplication
from identry.app_signin import AppSignIn
from identry.app_signin import Login as SignedInThere
from identry.core.known_devices import KnownDevices
from identry.core.limits import APP_ACCOUNT_FAILURES, APP_LOGIN
from identry.core.origin import Origin
from identry.flows.login.applications import AccountLocked, DeviceToken
from identry.flows.login.service import Login, WrongCredentials
from identry.records.clients import HOUSE
from identry.records.users import ADMINISTRATORS, User
from identry.signin import PasswordLoginDisabled
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE
from identry.web.operations import Guard, Operation
from identry.web.validation import LoginEmail, LoginPassword, MfaCode


class AdminLoginBody(msgspec.Struct):
    """Who, and what proves it."""

    email: LoginEmail
    password: LoginPassword
    mfa_code: MfaCode = ""
    device_token: DeviceToken | None = None


class ElevateBody(msgspec.Struct):
    """What proves the caller again."""

    password: LoginPassword
    mfa_code: MfaCode = ""
    device_token: DeviceToken | None = None


_ERRORS: tuple[Any, ...] = (UnknownApplication, DpopNeeded, WrongCredentials, AccountLocked, *REFUSALS)


def operations(login: Login, people: AppSignIn, devices: KnownDevices, *, enabled: bool) -> list[Operation]:
    """The room's rows of the admin port; with `enabled` False passwords are for `elevate` only."""

    async def prove(email: str, body: AdminLoginBody | ElevateBody, origin: Origin) -> User:
        """Whose password it is; that of somebody who is no administrator is as wrong as any other."""
        user = await login.prove(email, body.password, "", origin, body.device_token)
        if user.global_role not in ADMINISTRATORS:
            raise WrongCredentials
        return user

    async def sign_in(call: Call) -> Answer:
        if not enabled:
            raise PasswordLoginDisabled
        body: AdminLoginBody = call.body
        user = await prove(body.email, body, call.origin)
        client = await people.application(HOUSE)
        signed_in = await people.complete(user, client, ("pwd",), body.mfa_code or None, call.origin, "admin login")
        if body.device_token is not None:
            signed_in = msgspec.structs.replace(signed_in, device_token=devices.token(body.email))
        return Answer(signed_in, headers={**NO_STORE, "Deprecation": "true"})

    async def elevate(call: Call) -> Answer:
        body: ElevateBody = call.body
        client = await people.application(call.client.client_id)
        user = await prove(call.actor.user.email, body, call.origin)
        if user.id != call.actor.user.id:
            raise WrongCredentials
        admitted = await people.admit(user, client, ("pwd",), body.mfa_code or None, call.origin)
        granted = tuple(str(call.claims.get("scope", "")).split())
        signed_in = await people.open(user, client, admitted, call.origin, "elevate", granted)
        return Answer(msgspec.structs.replace(signed_in, refresh_token=""), headers=NO_STORE)

    return [
        Operation(
            "POST",
            "/api/admin/login",
            sign_in,
            "Sign in as an administrator of the platform",
            tag="Administration",
            surface="api",
            body=AdminLoginBody,
            reply=SignedInThere,
            limits=(APP_LOGIN, APP_ACCOUNT_FAILURES),
            errors=_ERRORS,
            description="Deprecated by `/oauth/authorize`, and says so in a `Deprecation` header. Whoever is no "
            "administrator is answered as for a wrong password. A device that sent and kept its `device_token` has "
            "tries of its own, as at `/api/auth/login`.",
            example={"email": "root@example.com", "password": "correct horse battery"},
        ),
        Operation(
            "POST",
            "/api/admin/elevate",
            elevate,
            "Prove again who is calling",
            tag="Administration",
            surface="api",
            guard=Guard.APP_USER,
            reach="platform.admin",
            body=ElevateBody,
            reply=SignedInThere,
            limits=(APP_LOGIN, APP_ACCOUNT_FAILURES),
            errors=_ERRORS,
            description="A token with a fresh `auth_time` and without a refresh token, for the operations that answer "
            "`elevation_required`. It reaches no further than the caller's.",
            example={"password": "correct horse battery"},
        ),
    ]
