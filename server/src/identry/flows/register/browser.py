"""POST /api/v1/auth/register."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Literal, Protocol
from uuid import UUID

import msgspec

from identry.browser import BROWSER_PATH, NEXT_STEPS, LoginOk, Replies
from identry.core.limits import ACCEPT_INVITATION, ACCOUNT_FAILURES, REGISTER
from identry.core.new_passwords import UnacceptablePassword
from identry.core.origin import Origin
from identry.flows.register.service import EmailTaken, Register, Registration, RegistrationDisabled
from identry.signin import EmailDomainNotAllowed, PasswordLoginDisabled, SignedIn, TenantInactive
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.validation import Email, FullName, NewPassword, OpaqueToken
from identry_kit.apierror import APIError


class BrowserRegisterBody(msgspec.Struct):
    """Who asks for an account."""

    email: Email
    password: NewPassword
    full_name: FullName
    invitation_token: Annotated[
        OpaqueToken | None, msgspec.Meta(description="Of the mail; the person joins at once then, without approval.")
    ] = None


class Applicant(msgspec.Struct, frozen=True):
    """The account that waits for approval."""

    id: UUID
    email: str
    full_name: str


class BrowserRegistered(msgspec.Struct, frozen=True):
    """Stored; staff decide."""

    user: Applicant
    status: Literal["pending_approval"] = "pending_approval"


class Joining(Protocol):
    """How somebody with an invitation joins and signs in."""

    def __call__(
        self, raw_token: str, password: str, full_name: str, origin: Origin, *, email: str | None = None
    ) -> Awaitable[SignedIn]:
        """Accept the invitation, which was sent to `email`."""


def operations(
    register: Register, join: Joining, refusals: tuple[type[APIError], ...], replies: Replies
) -> list[Operation]:
    """The room's rows of the browser surface; `refusals` are the errors of `join`."""

    async def handle(call: Call) -> BrowserRegistered | Answer:
        body: BrowserRegisterBody = call.body
        if body.invitation_token is not None:
            joining = join(body.invitation_token, body.password, body.full_name, call.origin, email=body.email)
            return await replies.of(joining, status=201)
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
            or_replies=(LoginOk, *NEXT_STEPS),
            status=201,
            also={200: "The person joined; a second factor is still to come."},
            limits=(REGISTER, ACCEPT_INVITATION, ACCOUNT_FAILURES),
            errors=(
                RegistrationDisabled,
                PasswordLoginDisabled,
                EmailDomainNotAllowed,
                EmailTaken,
                UnacceptablePassword,
                TenantInactive,
                *refusals,
            ),
            description="The account waits until staff approve it; no tokens are given. With an `invitation_token` "
            "the person joins and is signed in, whether or not registration is open to others.",
            example={"email": "ada@example.com", "password": "correct horse battery", "full_name": "Ada Lovelace"},
        )
    ]
