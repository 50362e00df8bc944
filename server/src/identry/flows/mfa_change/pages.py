"""/account/mfa/codes and /account/mfa/off: new recovery codes; turn the authenticator app off."""

from __future__ import annotations

import msgspec

from identry.core.limits import MFA_CHANGE, MFA_MANAGE, PASSWORD_CHANGE
from identry.flows.mfa_change.service import (
    MfaChange,
    NotEnabled,
    PasswordMissing,
    RequiredByPolicy,
    WrongPassword,
)
from identry.second_factor import FactorUnreadable, WrongCode
from identry.signin import CredentialsChanged
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.step_up import RECENT
from identry.web.validation import LoginPassword, RecoveryCode, TotpCode
from identry_kit.apierror import APIError

_CODES = f"{HOME}/mfa/codes"
_OFF = f"{HOME}/mfa/off"
_DONE = f"{HOME}/security"
_AT = {"invalid_code": "code", "invalid_credentials": "password"}
_CODE_ERRORS = (WrongCode, CredentialsChanged, NotEnabled, FactorUnreadable)


class AppCodeForm(msgspec.Struct):
    """A code of the app."""

    code: TotpCode


class OffForm(msgspec.Struct):
    """A code of the app or a recovery code; and the password, where there is one."""

    code: RecoveryCode
    password: LoginPassword | None = None


def operations(change: MfaChange, account: AccountPages) -> list[Operation]:
    """The room's pages."""

    async def show_codes(call: Call, error: APIError | None = None) -> Answer:
        if not call.actor.user.mfa_enabled:
            return account.pages.go(_DONE)
        return await account.show(call, "security", "mfa_renew", error, at=_AT)

    async def renew(call: Call) -> Answer:
        actor = call.actor
        codes = await change.renew_codes(actor.user, actor.session_id, call.body.code, call.origin)
        return await account.show(call, "security", "mfa_codes", codes=codes, renewed=True)

    async def show_off(call: Call, error: APIError | None = None) -> Answer:
        user = call.actor.user
        if not user.mfa_enabled:
            return account.pages.go(_DONE)
        return await account.show(call, "security", "mfa_off", error, at=_AT, password=user.password_hash is not None)

    async def off(call: Call) -> Answer:
        actor, body = call.actor, call.body
        await change.disable(actor.user, actor.session_id, body.code, body.password, call.origin)
        return account.done(_DONE, "mfa.disabled")

    return [
        account.page(_CODES, show_codes, "Make new recovery codes", fresh=RECENT),
        account.form(
            _CODES,
            renew,
            show_codes,
            "Make new recovery codes",
            body=AppCodeForm,
            fresh=RECENT,
            limits=(MFA_MANAGE, MFA_CHANGE),
            errors=_CODE_ERRORS,
        ),
        account.page(_OFF, show_off, "Turn the second factor off", fresh=RECENT),
        account.form(
            _OFF,
            off,
            show_off,
            "Turn the second factor off",
            body=OffForm,
            fresh=RECENT,
            limits=(MFA_MANAGE, PASSWORD_CHANGE),
            errors=(*_CODE_ERRORS, WrongPassword, PasswordMissing, RequiredByPolicy),
        ),
    ]
