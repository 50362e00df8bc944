"""/account/identities: who somebody is elsewhere: shown, linked and unlinked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from identry.core.limits import FEDERATED_LOGIN
from identry.federation.departure import TooManyPending
from identry.federation.provider import MICROSOFT
from identry.flows.identities.service import (
    LastWayIn,
    OwnIdentities,
    ProviderSilent,
    ProviderUnknown,
    UnknownIdentity,
)
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Operation
from identry.web.step_up import RECENT
from identry.web.trail import parameter
from identry_kit.apierror import APIError, Conflict

_PATH = f"{HOME}/identities"
_ONE = f"{_PATH}/{{id:uuid}}/remove"
_LINK = f"{_PATH}/microsoft/link"
_LINK_SSO = f"{_PATH}/sso/{{id:uuid}}/link"


class NotLinked(Conflict):
    """409: the provider, or what it said of the person, links nothing."""

    code = "not_linked"
    message = "the account was not linked"


class ButtonForm(msgspec.Struct):
    """A form of one button."""


@dataclass(frozen=True, slots=True)
class Linking:
    """What can be linked on these pages.

    Attributes:
        leaving: the cookie that the browser takes along to a provider.
        microsoft: whether Microsoft is offered.
        tenants: whether the providers of tenants are.
    """

    leaving: Cookie
    microsoft: bool
    tenants: bool


def operations(own: OwnIdentities, account: AccountPages, linking: Linking | None) -> list[Operation]:
    """The room's pages; `linking` is None where providers do not come back to them."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        user_id = call.actor.user.id
        word = "account.identities.linked" if parameter(call, "linked") and error is None else ""
        if parameter(call, "error") and error is None:
            error = NotLinked()
        told: dict[str, Any] = {
            "identities": await own.listed(user_id),
            "providers": await own.providers(user_id) if linking and linking.tenants else [],
            "microsoft": linking is not None and linking.microsoft,
            "linked": word,
        }
        return await account.show(call, "identities", "identities", error, leads_away=linking is not None, **told)

    async def ask(call: Call, error: APIError | None = None) -> Answer:
        wanted = call.path["id"]
        found = next((one for one in await own.listed(call.actor.user.id) if one.id == wanted), None)
        if found is None:
            return await show(call, error or UnknownIdentity())
        return await account.show(call, "identities", "identity_remove", error, identity=found)

    async def remove(call: Call) -> Answer:
        await own.remove(call.actor, call.path["id"], call.origin)
        return account.done(_PATH, "identities.removed")

    rows = [
        account.page(_PATH, show, "Your accounts elsewhere", errors=(NotLinked,)),
        account.page(_ONE, ask, "Unlink an account"),
        account.form(_ONE, remove, ask, "Unlink an account", body=ButtonForm, errors=(UnknownIdentity, LastWayIn)),
    ]
    if linking is None:
        return rows
    leaving = linking.leaving

    async def leave(call: Call, key: str) -> Answer:
        departure = await own.link(call.actor, key, _PATH, call.origin, hosted=True)
        return account.pages.go(departure.url, leaving.holding(departure.binding))

    async def link(call: Call) -> Answer:
        return await leave(call, MICROSOFT)

    async def link_sso(call: Call) -> Answer:
        wanted = call.path["id"]
        if all(one.tenant_id != wanted for one in await own.providers(call.actor.user.id)):
            raise ProviderUnknown
        return await leave(call, str(wanted))

    told: dict[str, Any] = {
        "body": ButtonForm,
        "back": _PATH,
        "fresh": RECENT,
        "limits": (FEDERATED_LOGIN,),
        "errors": (TooManyPending, ProviderUnknown, ProviderSilent),
    }
    if linking.microsoft:
        rows.append(account.form(_LINK, link, show, "Link a Microsoft account", **told))
    if linking.tenants:
        rows.append(account.form(_LINK_SSO, link_sso, show, "Link an account at a tenant's provider", **told))
    return rows
