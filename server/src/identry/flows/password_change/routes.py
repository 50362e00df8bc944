"""POST /api/v1/auth/password/change."""

from __future__ import annotations

import msgspec

from identry.browser import BROWSER_PATH
from identry.core.limits import PASSWORD_CHANGE
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.password_change.service import PasswordChange, WrongPassword
from identry.signin import PasswordLoginDisabled
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.validation import LoginPassword, NewPassword


class PasswordChangeBody(msgspec.Struct):
    """The password as it is, and as it shall be."""

    current_password: LoginPassword
    new_password: NewPassword


def operations(change: PasswordChange) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> bytes:
        body: PasswordChangeBody = call.body
        await change(
            call.actor.user,
            call.actor.session_id,
            call.tenant_id,
            body.current_password,
            body.new_password,
            call.origin,
        )
        return b""

    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/password/change",
            handle,
            "Change the caller's password",
            tag="Browser",
            surface="browser",
            guard=Guard.BROWSER,
            sensitive=True,
            body=PasswordChangeBody,
            status=204,
            limits=(PASSWORD_CHANGE,),
            errors=(WrongPassword, UnacceptablePassword, PasswordLoginDisabled),
            description="Ends every other session of the account; this one goes on. `password change` counts wrong "
            "current passwords of an account.",
            example={"current_password": "correct horse battery", "new_password": "another horse, another battery"},
        )
    ]
