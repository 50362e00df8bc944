"""/account/mfa/set-up: somebody who is signed in sets up an authenticator app.

The secret and the recovery codes are in the answers of their own forms: they are shown once, so nothing leads back to
them.
"""

from __future__ import annotations

import msgspec
from markupsafe import Markup

from identry.core.limits import MFA_CHANGE, MFA_MANAGE
from identry.flows.mfa_setup.service import AlreadyEnabled, MfaSetup, NoPendingSetup, Session
from identry.second_factor import FactorUnreadable, WrongCode
from identry.signin import CredentialsChanged
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.step_up import RECENT
from identry.web.validation import TotpCode
from identry_kit.apierror import APIError

_PATH = f"{HOME}/mfa/set-up"
_CODE = f"{_PATH}/code"
_ON = f"{HOME}/security"
_AT = {"invalid_code": "code"}


class BeginForm(msgspec.Struct):
    """A form of one button."""


class FirstCodeForm(msgspec.Struct):
    """The first code of the app."""

    code: TotpCode


def operations(setup: MfaSetup, account: AccountPages) -> list[Operation]:
    """The room's pages."""

    def who(call: Call) -> Session:
        return Session(call.actor.user, call.actor.session_id)

    async def show(call: Call, error: APIError | None = None) -> Answer:
        if call.actor.user.mfa_enabled and error is None:
            return account.pages.go(_ON)
        return await account.show(call, "security", "mfa_begin", error)

    async def begin(call: Call) -> Answer:
        shown = await setup.begin(who(call), call.origin)
        return await account.show(
            call,
            "security",
            "mfa_scan",
            qr=Markup(shown.qr_svg),  # noqa: S704 - drawn here
            secret=_grouped(shown.secret),
        )

    async def show_code(call: Call, error: APIError | None = None) -> Answer:
        if error is None or isinstance(error, AlreadyEnabled | NoPendingSetup):
            return await show(call, error)
        return await account.show(call, "security", "mfa_scan", error, at=_AT, qr="", secret="")

    async def enable(call: Call) -> Answer:
        enabled = await setup.enable(who(call), call.body.code, call.origin)
        return await account.show(call, "security", "mfa_codes", codes=enabled.recovery_codes, renewed=False)

    return [
        account.page(_PATH, show, "Set up an authenticator app", fresh=RECENT),
        account.form(
            _PATH,
            begin,
            show,
            "Begin to set up an authenticator app",
            body=BeginForm,
            fresh=RECENT,
            limits=(MFA_MANAGE,),
            errors=(AlreadyEnabled,),
        ),
        account.page(_CODE, show_code, "Begin the set-up again", fresh=RECENT),
        account.form(
            _CODE,
            enable,
            show_code,
            "Turn the second factor on with its first code",
            body=FirstCodeForm,
            fresh=RECENT,
            limits=(MFA_MANAGE, MFA_CHANGE),
            errors=(WrongCode, CredentialsChanged, AlreadyEnabled, NoPendingSetup, FactorUnreadable),
        ),
    ]


def _grouped(secret: str) -> str:
    """A key in groups of four, as people read it."""
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
