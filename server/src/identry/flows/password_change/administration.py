"""POST /api/admin/change-password: the one thing that an administrator who has to may do."""

from __future__ import annotations

import msgspec

from identry.core.limits import PASSWORD_CHANGE
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.password_change.service import PasswordChange, WrongPassword
from identry.signin import PasswordLoginDisabled
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.validation import LoginPassword, NewPassword


class AdminPasswordBody(msgspec.Struct):
    """The password as it is, and as it shall be."""

    current_password: LoginPassword
    new_password: NewPassword


class AdminPasswordChanged(msgspec.Struct, frozen=True):
    """The password is changed."""

    message: str = "the password is changed; your other sessions ended"


def operations(change: PasswordChange) -> list[Operation]:
    """The room's rows of the admin port."""

    async def handle(call: Call) -> AdminPasswordChanged:
        body: AdminPasswordBody = call.body
        caller = call.actor
        await change(caller.user, caller.session_id, None, body.current_password, body.new_password, call.origin)
        return AdminPasswordChanged()

    return [
        Operation(
            "POST",
            "/api/admin/change-password",
            handle,
            "Change the caller's password",
            tag="Administration",
            surface="api",
            guard=Guard.APP_USER,
            reach="platform.password",
            body=AdminPasswordBody,
            reply=AdminPasswordChanged,
            limits=(PASSWORD_CHANGE,),
            errors=(WrongPassword, UnacceptablePassword, PasswordLoginDisabled),
            example={"current_password": "correct horse battery", "new_password": "another horse, another battery"},
        )
    ]
