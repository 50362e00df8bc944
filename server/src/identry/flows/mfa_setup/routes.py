"""POST /api/v1/auth/mfa/setup and mfa/enable."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from identry.browser import BROWSER_PATH, LoginOk, Me, Replies
from identry.core.limits import MFA_CHANGE, MFA_MANAGE
from identry.flows.mfa_setup.service import AlreadyEnabled, MfaSetup, NoPendingSetup, Session
from identry.second_factor import FactorUnreadable, StaleTicket, WrongCode
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
    TenantInactive,
)
from identry.web.call import Answer, Call
from identry.web.errors import InvalidRequest
from identry.web.operations import Guard, Operation
from identry.web.step_up import RECENT
from identry.web.validation import OpaqueToken, TotpCode
from identry_kit.jwtauth import MissingToken


class MfaSetupBody(msgspec.Struct):
    """Nothing, with an access token; else the `session_token` of a sign-in that answered `mfa_setup_required`."""

    session_token: OpaqueToken | None = None


class MfaEnableBody(msgspec.Struct):
    """The first code of the app; with the `session_token`, as at the set-up."""

    totp_code: TotpCode
    session_token: OpaqueToken | None = None


class MfaSecret(msgspec.Struct, frozen=True):
    """The secret for the authenticator app, as text, as address and as a picture; it is shown this once."""

    secret: str
    otpauth_uri: str
    qr_svg: str


class MfaEnabled(msgspec.Struct, frozen=True):
    """The second factor is on. The recovery codes are shown this once."""

    recovery_codes: list[str]
    enabled: Literal[True] = True


class MfaEnabledAndSignedIn(msgspec.Struct, frozen=True):
    """The second factor is on, and the sign-in that waited for it is done: the fields of both answers."""

    recovery_codes: list[str]
    access_token: str
    expires_in: int
    user: Me
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6750 token type
    enabled: Literal[True] = True


_GATES = (PendingApproval, RegistrationRejected, AccountInactive)
_COMMON: dict[str, Any] = {"tag": "Browser", "surface": "browser", "guard": Guard.TICKET, "fresh": RECENT}


def operations(setup: MfaSetup, replies: Replies) -> list[Operation]:
    """The room's rows of the operation table."""

    async def begin(call: Call) -> MfaSecret:
        shown = await setup.begin(_who(call, call.body.session_token), call.origin)
        return MfaSecret(shown.secret, shown.otpauth_uri, shown.qr_svg)

    async def enable(call: Call) -> Answer:
        body: MfaEnableBody = call.body
        enabled = await setup.enable(_who(call, body.session_token), body.totp_code, call.origin)
        if enabled.signed_in is None:
            return Answer(MfaEnabled(enabled.recovery_codes))
        session = await replies.session(enabled.signed_in.tokens)
        ok: LoginOk = session.data
        both = MfaEnabledAndSignedIn(enabled.recovery_codes, ok.access_token, ok.expires_in, ok.user)
        return Answer(both, cookies=session.cookies)

    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/mfa/setup",
            begin,
            "Begin to set up an authenticator app",
            body=MfaSetupBody,
            reply=MfaSecret,
            limits=(MFA_MANAGE,),
            errors=(StaleTicket, AlreadyEnabled, *_GATES),
            description="With an access token whose sign-in is at most ten minutes old, or with the `session_token` of "
            "`mfa_setup_required`. The secret waits ten minutes for `mfa/enable`; asking again replaces it.",
            example={},
            **_COMMON,
        ),
        Operation(
            "POST",
            f"{BROWSER_PATH}/mfa/enable",
            enable,
            "Turn the second factor on with its first code",
            body=MfaEnableBody,
            reply=MfaEnabled,
            or_replies=(MfaEnabledAndSignedIn,),
            limits=(MFA_MANAGE, MFA_CHANGE),
            errors=(
                StaleTicket,
                WrongCode,
                CredentialsChanged,
                AlreadyEnabled,
                NoPendingSetup,
                *_GATES,
                TenantInactive,
                PasswordLoginDisabled,
                FactorUnreadable,
            ),
            description="Every other session of the account ends, and the user gets mail. Reached by `session_token`, "
            "the answer is a sign-in as well, with the refresh cookie.",
            example={"totp_code": "123456"},
            **_COMMON,
        ),
    ]


def _who(call: Call, session_token: str | None) -> Session | str:
    """The session or the ticket that the request stands on.

    Raises:
        InvalidRequest: both.
        MissingToken: neither.
    """
    caller = call.caller
    if caller is None:
        if session_token is None:
            raise MissingToken
        return session_token
    if session_token is not None:
        raise InvalidRequest.field("session_token", "unexpected", "send an access token or a session_token, not both")
    return Session(caller.user, caller.session_id)
