"""GET and POST /api/auth/invite."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from identry.app_refusals import REFUSALS
from identry.app_signin import Login
from identry.core.limits import APP_ACCOUNT_FAILURES, APP_INVITE
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.app_invitation.service import AcceptAppInvitation, InvalidInvitation, WrongPassword
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE
from identry.web.operations import Operation
from identry.web.validation import FullName, MfaCode, NewPassword, OpaqueToken


class AppInviteQuery(msgspec.Struct):
    """The token of the mail."""

    token: OpaqueToken


class AppInviteOffer(msgspec.Struct, frozen=True):
    """What an invitation offers."""

    email: str
    app_name: str
    expires_at: datetime
    valid: Literal[True] = True


class AppInviteBody(msgspec.Struct):
    """The token of the mail, the password that the account begins with (of one in use: its own), and a name."""

    token: OpaqueToken
    password: NewPassword
    name: FullName | None = None
    mfa_code: MfaCode = ""


def operations(accept: AcceptAppInvitation) -> list[Operation]:
    """The room's rows of the operation table."""

    async def look(call: Call) -> AppInviteOffer:
        invited, until = await accept.look(call.query.token, call.origin)
        return AppInviteOffer(invited.user.email, invited.client.name, until)

    async def join(call: Call) -> Answer:
        body: AppInviteBody = call.body
        signed_in = await accept(body.token, body.password, body.name or "", body.mfa_code or None, call.origin)
        return Answer(signed_in, headers=NO_STORE)

    return [
        Operation(
            "GET",
            "/api/auth/invite",
            look,
            "What an invitation to an application offers",
            tag="Accounts of applications",
            surface="api",
            query=AppInviteQuery,
            reply=AppInviteOffer,
            limits=(APP_INVITE,),
            errors=(InvalidInvitation,),
        ),
        Operation(
            "POST",
            "/api/auth/invite",
            join,
            "Accept an invitation to an application and sign in",
            tag="Accounts of applications",
            surface="api",
            body=AppInviteBody,
            reply=Login,
            limits=(APP_INVITE, APP_ACCOUNT_FAILURES),
            errors=(
                InvalidInvitation,
                WrongPassword,
                UnacceptablePassword,
                *REFUSALS,
            ),
            description="An account that nobody has used yet begins with this password. One that is in use keeps its "
            "own, and it is the one to send.",
            example={"token": "5f2b…", "password": "correct horse battery", "name": "Ada Lovelace"},
        ),
    ]
