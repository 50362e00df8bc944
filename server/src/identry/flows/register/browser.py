"""POST /api/v1/auth/register."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from identry.browser import BROWSER_PATH
from identry.core.limits import REGISTER
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.register.service import EmailTaken, Register, Registration, RegistrationDisabled
from identry.signin import EmailDomainNotAllowed, PasswordLoginDisabled
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import Email, FullName, NewPassword


class BrowserRegisterBody(msgspec.Struct):
    """Who asks for an account."""

    email: Email
    password: NewPassword
    full_name: FullName


class Applicant(msgspec.Struct, frozen=True):
    """The account that waits for approval."""

    id: UUID
    email: str
    full_name: str


class BrowserRegistered(msgspec.Struct, frozen=True):
    """Stored; staff decide."""

    user: Applicant
    status: Literal["pending_approval"] = "pending_approval"


def operations(register: Register) -> list[Operation]:
    """The room's rows of the browser surface."""

    async def handle(call: Call) -> BrowserRegistered:
        body: BrowserRegisterBody = call.body
        user = await register(Registration(body.email, body.password, body.full_name, None, None), call.origin)
        return BrowserRegistered(Applicant(user.id, user.email, user.full_name))

    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/register",
            handle,
            "Ask for an account",
            tag="Browser",
            surface="browser",
            body=BrowserRegisterBody,
            reply=BrowserRegistered,
            status=201,
            limits=(REGISTER,),
            errors=(
                RegistrationDisabled,
                PasswordLoginDisabled,
                EmailDomainNotAllowed,
                EmailTaken,
                UnacceptablePassword,
            ),
            description="The account waits until staff approve it; no tokens are given.",
            example={"email": "ada@example.com", "password": "correct horse battery", "full_name": "Ada Lovelace"},
        )
    ]
