"""GET and POST /invite: the link of a mail that invites to an application."""

from __future__ import annotations

import msgspec

from identry.core.limits import APP_ACCOUNT_FAILURES, APP_INVITE
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.app_invitation.service import AcceptAppInvitation, InvalidInvitation, WrongPassword
from identry.hosted import Hosted
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
    SignIn,
)
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.trail import parameter
from identry.web.validation import FullName, NewPassword, OpaqueToken
from identry_kit.apierror import APIError

_PATH = "/invite"


class AppJoinForm(msgspec.Struct):
    """The token of the mail; the account's password; what a new account is called."""

    token: OpaqueToken
    password: NewPassword
    full_name: FullName


def operations(accept: AcceptAppInvitation, signin: SignIn, hosted: Hosted) -> list[Operation]:
    """The room's pages; `signin` opens the browser's session."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        token = call.typed.get("token") or parameter(call, "token")
        if isinstance(error, InvalidInvitation):
            return await hosted.show(call, "app_invite_gone.html", error)
        if not token:
            raise InvalidInvitation
        invited, until = await accept.look(token, call.origin)
        return await hosted.show(
            call, "app_invite.html", error, client=invited.client, user=invited.user, until=until, token=token
        )

    async def join(call: Call) -> Answer:
        form: AppJoinForm = call.body
        joining = accept.on_page(form.token, form.password, form.full_name, signin, call.origin)
        return await hosted.arrive(call, joining)

    return [
        hosted.pages.page(
            _PATH,
            show,
            "What an invitation to an application offers",
            limits=(APP_INVITE,),
            errors=(InvalidInvitation,),
        ),
        hosted.pages.form(
            _PATH,
            join,
            show,
            "Join an application, and sign in",
            body=AppJoinForm,
            limits=(APP_INVITE, APP_ACCOUNT_FAILURES),
            errors=(
                InvalidInvitation,
                WrongPassword,
                UnacceptablePassword,
                CredentialsChanged,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                PasswordLoginDisabled,
            ),
        ),
    ]
