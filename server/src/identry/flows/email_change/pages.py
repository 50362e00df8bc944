"""/account/email: ask for another address; /account/email/confirm: the page that the mailed link opens."""

from __future__ import annotations

import msgspec

from identry.core.limits import EMAIL_CHANGE, EMAIL_CHANGE_MAIL
from identry.flows.email_change.service import EmailChange, InvalidEmailLink, SameAddress
from identry.refusals import EmailDomainNotAllowed
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.step_up import RECENT
from identry.web.trail import parameter
from identry.web.validation import Email, OpaqueToken
from identry_kit.apierror import APIError

_PATH = f"{HOME}/email"
_CONFIRM = f"{_PATH}/confirm"
_AT = {"same_address": "email", "email_domain_not_allowed": "email"}


class EmailForm(msgspec.Struct):
    """The address that is wanted."""

    email: Email


class EmailConfirmForm(msgspec.Struct):
    """What the link carried."""

    token: OpaqueToken


def operations(change: EmailChange, account: AccountPages) -> list[Operation]:
    """The room's pages."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        return await account.show(call, "profile", "email", error, at=_AT)

    async def begin(call: Call) -> Answer:
        actor, wanted = call.actor, call.body.email
        await change.begin(actor.user, actor.session_id, wanted, call.origin)
        return account.done(_PATH, "email.sent", email=wanted)

    async def show_link(call: Call, error: APIError | None = None) -> Answer:
        raw_token = call.typed.get("token", "") or parameter(call, "token")
        try:
            wanted = await change.pending(call.actor.user, raw_token)
        except InvalidEmailLink as stale:
            return await account.show(call, "profile", "email_link", stale, wanted="", token="")
        return await account.show(call, "profile", "email_link", error, wanted=wanted, token=raw_token)

    async def confirm(call: Call) -> Answer:
        actor = call.actor
        await change.confirm(actor.user, actor.session_id, call.body.token, call.origin)
        return account.done(f"{HOME}/profile", "email.changed")

    return [
        account.page(_PATH, show, "Your email address", fresh=RECENT),
        account.form(
            _PATH,
            begin,
            show,
            "Ask for another email address",
            body=EmailForm,
            fresh=RECENT,
            sensitive=True,
            limits=(EMAIL_CHANGE, EMAIL_CHANGE_MAIL),
            errors=(SameAddress, EmailDomainNotAllowed),
        ),
        account.page(_CONFIRM, show_link, "Confirm an email address"),
        account.form(
            _CONFIRM, confirm, show_link, "Use an email address", body=EmailConfirmForm, errors=(InvalidEmailLink,)
        ),
    ]
