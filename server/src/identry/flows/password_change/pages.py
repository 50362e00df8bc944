"""GET and POST /account/password: change the password, or set the first one."""

from __future__ import annotations

import msgspec

from identry.core.limits import PASSWORD_CHANGE
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.password_change.service import PasswordChange, PasswordExists, WrongPassword
from identry.signin import PasswordLoginDisabled
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.step_up import RECENT
from identry.web.validation import LoginPassword, NewPassword
from identry_kit.apierror import APIError

_PATH = f"{HOME}/password"
_FIRST = f"{_PATH}/first"
_DONE = f"{HOME}/security"
_AT = {"invalid_credentials": "current_password"}


class PasswordForm(msgspec.Struct):
    """The password as it is, and as it shall be."""

    current_password: LoginPassword
    new_password: NewPassword


class FirstPasswordForm(msgspec.Struct):
    """The password of an account that has none."""

    new_password: NewPassword


def operations(change: PasswordChange, account: AccountPages, min_length: int) -> list[Operation]:
    """The room's pages; `min_length` is what a new password has at least."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        user = call.actor.user
        if user.password_hash is None and error is None:
            return account.pages.go(_FIRST)
        return await account.show(
            call, "security", "password", error, at=_AT, first=False, length=min_length, action=_PATH
        )

    async def show_first(call: Call, error: APIError | None = None) -> Answer:
        user = call.actor.user
        if user.password_hash is not None and error is None:
            return account.pages.go(_PATH)
        if not await change.offered(user):
            error = error or PasswordLoginDisabled()
        return await account.show(call, "security", "password", error, first=True, length=min_length, action=_FIRST)

    async def replace(call: Call) -> Answer:
        actor, body = call.actor, call.body
        tenant = call.tenant
        await change(actor.user, actor.session_id, tenant, body.current_password, body.new_password, call.origin)
        return account.done(_DONE, "password.changed")

    async def set_first(call: Call) -> Answer:
        await change.set_first(call.actor.user, call.actor.session_id, call.body.new_password, call.origin)
        return account.done(_DONE, "password.set")

    refused = (UnacceptablePassword, PasswordLoginDisabled)
    limits = (PASSWORD_CHANGE,)
    return [
        account.page(_PATH, show, "Change the password"),
        account.form(
            _PATH,
            replace,
            show,
            "Change the password",
            body=PasswordForm,
            sensitive=True,
            limits=limits,
            errors=(WrongPassword, *refused),
        ),
        account.page(_FIRST, show_first, "Set a password", fresh=RECENT),
        account.form(
            _FIRST,
            set_first,
            show_first,
            "Set a password",
            body=FirstPasswordForm,
            fresh=RECENT,
            sensitive=True,
            limits=limits,
            errors=(PasswordExists, *refused),
        ),
    ]
