"""GET /api/v1/auth/mfa, POST mfa/disable, mfa/recovery-codes and mfa/step-up."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from identry.browser import BROWSER_PATH
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
from identry.web.call import Call
from identry.web.errors import InvalidRequest
from identry.web.operations import Guard, Operation
from identry.web.step_up import RECENT
from identry.web.validation import LoginPassword, RecoveryCode, TotpCode

FEW = 3
"""As many recovery codes left, or fewer, are worth a warning."""


class MfaView(msgspec.Struct, frozen=True):
    """The caller's second factor; `required`: deployment or a tenant of the caller demand one."""

    enabled: bool
    enrolled_at: datetime | None
    recovery_codes_left: int
    required: bool
    warning: Literal["few_recovery_codes"] | None


class MfaCodeBody(msgspec.Struct):
    """One code: of the app, or a recovery code."""

    totp_code: TotpCode | None = None
    recovery_code: RecoveryCode | None = None


class MfaDisableBody(msgspec.Struct):
    """One code, and the password where the account has one."""

    totp_code: TotpCode | None = None
    recovery_code: RecoveryCode | None = None
    password: LoginPassword | None = None


class MfaTotpBody(msgspec.Struct):
    """A code of the app."""

    totp_code: TotpCode


class RecoveryCodesView(msgspec.Struct, frozen=True):
    """New recovery codes, shown this once."""

    recovery_codes: list[str]


_COMMON: dict[str, Any] = {"tag": "Browser", "surface": "browser", "guard": Guard.BROWSER}
_CODE_ERRORS = (WrongCode, CredentialsChanged, NotEnabled, FactorUnreadable)


def operations(change: MfaChange) -> list[Operation]:
    """The room's rows of the operation table."""

    async def glance(call: Call) -> MfaView:
        found, required = await change.glance(call.actor.user.id)
        enabled = found.enrolled_at is not None
        warning: Any = "few_recovery_codes" if enabled and found.codes_left <= FEW else None
        return MfaView(enabled, found.enrolled_at, found.codes_left, required, warning)

    async def disable(call: Call) -> bytes:
        body: MfaDisableBody = call.body
        actor = call.actor
        await change.disable(actor.user, actor.session_id, _one_code(body), body.password, call.origin)
        return b""

    async def renew(call: Call) -> RecoveryCodesView:
        actor = call.actor
        return RecoveryCodesView(
            await change.renew_codes(actor.user, actor.session_id, call.body.totp_code, call.origin)
        )

    async def step_up(call: Call) -> bytes:
        actor = call.actor
        await change.step_up(actor.user, actor.session_id, _one_code(call.body), call.origin)
        return b""

    return [
        Operation("GET", f"{BROWSER_PATH}/mfa", glance, "The caller's second factor", reply=MfaView, **_COMMON),
        Operation(
            "POST",
            f"{BROWSER_PATH}/mfa/disable",
            disable,
            "Remove the second factor",
            body=MfaDisableBody,
            status=204,
            limits=(MFA_MANAGE, PASSWORD_CHANGE),
            errors=(*_CODE_ERRORS, WrongPassword, PasswordMissing, RequiredByPolicy),
            description="Ends every other session of the account, and mails its owner. `password` is needed where the "
            "account has one; wrong ones count with those of `password/change`.",
            example={"totp_code": "123456", "password": "correct horse battery"},
            **_COMMON,
        ),
        Operation(
            "POST",
            f"{BROWSER_PATH}/mfa/recovery-codes",
            renew,
            "Make new recovery codes",
            fresh=RECENT,
            body=MfaTotpBody,
            reply=RecoveryCodesView,
            limits=(MFA_MANAGE, MFA_CHANGE),
            errors=_CODE_ERRORS,
            description="The earlier ones are void. The sign-in must be at most ten minutes old.",
            example={"totp_code": "123456"},
            **_COMMON,
        ),
        Operation(
            "POST",
            f"{BROWSER_PATH}/mfa/step-up",
            step_up,
            "Confirm with a code what the tenant wants confirmed",
            body=MfaCodeBody,
            status=204,
            limits=(MFA_MANAGE,),
            errors=_CODE_ERRORS,
            description="After `mfa_code_required`. For ten minutes this session may do what the tenant wants a recent "
            "code for.",
            example={"totp_code": "123456"},
            **_COMMON,
        ),
    ]


def _one_code(body: MfaCodeBody | MfaDisableBody) -> str:
    """The one code that was sent.

    Raises:
        InvalidRequest: none, or both.
    """
    if (body.totp_code is None) == (body.recovery_code is None):
        raise InvalidRequest.field("totp_code", "required", "send either totp_code or recovery_code")
    return body.totp_code or body.recovery_code or ""
