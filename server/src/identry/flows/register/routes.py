"""POST /auth/register."""

from __future__ import annotations

from typing import Literal

import msgspec

from identry.core.limits import REGISTER
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.register.service import EmailTaken, Register, Registration, RegistrationDisabled
from identry.signin import EmailDomainNotAllowed, PasswordLoginDisabled
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import Email, FullName, NewPassword, Phone, WebUrl
from identry.web.views import UserView


class RegisterBody(msgspec.Struct, rename="camel"):
    """Who asks for an account."""

    email: Email
    password: NewPassword
    full_name: FullName
    phone_number: Phone | None = None
    profile_picture_url: WebUrl | None = None
    auth_provider: Literal["password"] = "password"


class RegisterReply(msgspec.Struct, rename="camel", frozen=True):
    """The account that waits for approval."""

    user: UserView


def operations(register: Register) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> RegisterReply:
        body: RegisterBody = call.body
        registration = Registration(
            body.email, body.password, body.full_name, body.phone_number, body.profile_picture_url
        )
        return RegisterReply(UserView.of(await register(registration, call.origin)))

    return [
        Operation(
            "POST",
            "/auth/register",
            handle,
            "Ask for an account",
            tag="Registration",
            body=RegisterBody,
            reply=RegisterReply,
            status=201,
            limits=(REGISTER,),
            errors=(
                RegistrationDisabled,
                PasswordLoginDisabled,
                EmailDomainNotAllowed,
                EmailTaken,
                UnacceptablePassword,
            ),
            description="The account waits (`approvalStatus: PENDING`, `isActive: false`) until staff approve it; no "
            "tokens are given.",
            example={"email": "ada@example.com", "password": "correct horse battery", "fullName": "Ada Lovelace"},
        )
    ]
