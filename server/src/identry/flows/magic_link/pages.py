"""/login/link: sign in on the pages by a mailed link.

The link of the mail opens a page with a button: what looks at mail before its reader does opens links too.
"""

from __future__ import annotations

import msgspec

from identry.core.limits import MAGIC_LINK, MAGIC_LINK_VERIFY, PAGE_LINK
from identry.flows.magic_link.sending import SendMagicLink
from identry.flows.magic_link.verification import InvalidMagicLink, SignInByLink
from identry.hosted import Hosted
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
)
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.trail import Trail, parameter
from identry.web.validation import LoginEmail, OpaqueToken
from identry_kit.apierror import APIError

_PATH = "/login/link"
_OPEN = f"{_PATH}/open"


class LinkForm(msgspec.Struct):
    """Where the link shall go."""

    email: LoginEmail


class OpenForm(msgspec.Struct):
    """The token of the mail."""

    token: OpaqueToken


def operations(send: SendMagicLink, sign_in: SignInByLink, hosted: Hosted, issuer_url: str) -> list[Operation]:
    """The room's pages; links lead to those at `issuer_url`."""

    async def ask(call: Call, error: APIError | None = None) -> Answer:
        asking = await hosted.asking(call)
        email = (asking.login_hint if asking else "") or Trail.of(call).email
        return await hosted.show(call, "link.html", error, asking=asking, email=email)

    async def mail(call: Call) -> Answer:
        trail, asking = Trail.of(call), await hosted.asking(call)
        name = asking.client.name if asking else ""
        await send.to_our_pages(
            call.body.email, name, lambda token: issuer_url + trail.to(_OPEN, token=token), call.origin
        )
        return hosted.pages.go(trail.to(f"{_PATH}/sent"))

    async def sent(call: Call, error: APIError | None = None) -> Answer:
        return await hosted.show(call, "link_sent.html", error)

    async def opened(call: Call, error: APIError | None = None) -> Answer:
        if isinstance(error, InvalidMagicLink):
            return await hosted.show(call, "link_gone.html", error)
        token = call.typed.get("token") or parameter(call, "token")
        try:
            user = await sign_in.whose(token)
        except InvalidMagicLink as gone:
            return await hosted.show(call, "link_gone.html", error or gone)
        trail, asking = Trail.of(call), await hosted.asking(call)
        # In another browser than the one that an application sent here, its request is not there.
        onward = (trail if asking else Trail(return_to=trail.return_to)).to(_OPEN)
        return await hosted.show(call, "link_open.html", error, asking=asking, user=user, token=token, onward=onward)

    async def submit(call: Call) -> Answer:
        return await hosted.arrive(call, sign_in(call.body.token, call.origin))

    page, form = hosted.pages.page, hosted.pages.form
    return [
        page(_PATH, ask, "Sign in by mail"),
        form(_PATH, mail, ask, "Ask for a link to sign in", body=LinkForm, limits=(PAGE_LINK, MAGIC_LINK)),
        page(f"{_PATH}/sent", sent, "The link is on its way"),
        page(_OPEN, opened, "The link of the mail"),
        form(
            _OPEN,
            submit,
            opened,
            "Sign in with the token of the mail",
            body=OpenForm,
            limits=(MAGIC_LINK_VERIFY,),
            errors=(
                InvalidMagicLink,
                CredentialsChanged,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                PasswordLoginDisabled,
            ),
        ),
    ]
