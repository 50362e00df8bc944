"""POST /api/auth/signup and GET /api/auth/verify-email."""

from __future__ import annotations

from typing import Annotated

import msgspec

from identry.app_refusals import UnknownApplication
from identry.core.limits import SIGNUP, SIGNUP_EMAIL, VERIFY_EMAIL
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.signup.service import (
    Asked,
    DomainNotAllowed,
    EmailExists,
    Signup,
    SignupDisabled,
)
from identry.flows.signup.verification import InvalidVerification, VerifyEmail
from identry.signin import PasswordLoginDisabled
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import ClientIdOf, Email, FullName, NewPassword, OpaqueToken

VERIFY_PATH = "/api/auth/verify-email"


class SignupBody(msgspec.Struct):
    """Who wants an account, and at which application."""

    name: FullName
    email: Email
    password: NewPassword
    client_id: ClientIdOf


class SignupReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The account waits for the proof of its address; its number is not told where taken addresses are hidden."""

    message: str
    user_id: int = 0
    verify_url: Annotated[str, msgspec.Meta(description="In development only.")] = ""


class VerificationQuery(msgspec.Struct):
    """The token of the mail."""

    token: OpaqueToken


class Verified(msgspec.Struct, frozen=True):
    """The address is proven."""

    message: str


def operations(signup: Signup, verify: VerifyEmail, *, issuer_url: str, show_link: bool) -> list[Operation]:
    """The room's rows of the operation table; `show_link`: development."""

    async def sign_up(call: Call) -> SignupReply:
        body: SignupBody = call.body
        made = await signup(Asked(body.name, body.email, body.password, body.client_id), call.origin)
        link = f"{issuer_url}{VERIFY_PATH}?token={made.raw_token}" if show_link else ""
        return SignupReply("a mail with a link to confirm the address is on its way", made.number or 0, link)

    async def prove(call: Call) -> Verified:
        await verify(call.query.token, call.origin)
        return Verified("the address is confirmed; you can sign in now")

    return [
        Operation(
            "POST",
            "/api/auth/signup",
            sign_up,
            "Make an account at an application",
            tag="Accounts of applications",
            surface="api",
            body=SignupBody,
            reply=SignupReply,
            status=201,
            limits=(SIGNUP, SIGNUP_EMAIL),
            errors=(
                UnknownApplication,
                DomainNotAllowed,
                EmailExists,
                UnacceptablePassword,
                SignupDisabled,
                PasswordLoginDisabled,
            ),
            description="Signs nobody in: the address must be proven first. Other texts of a 400 may be shown to the "
            "person.",
            example={
                "name": "Ada Lovelace",
                "email": "ada@example.com",
                "password": "correct horse battery",
                "client_id": "reports",
            },
        ),
        Operation(
            "GET",
            VERIFY_PATH,
            prove,
            "Prove an address with the token of the mail",
            tag="Accounts of applications",
            surface="api",
            query=VerificationQuery,
            reply=Verified,
            limits=(VERIFY_EMAIL,),
            errors=(InvalidVerification,),
        ),
    ]
