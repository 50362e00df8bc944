"""/account/apps: what applications may do in somebody's name, and the end of it."""

from __future__ import annotations

import msgspec

from identry.flows.connected_apps.queries import ConnectedApp
from identry.flows.connected_apps.service import ConnectedApps, UnknownApplication
from identry.oauth.scopes import SUPPORTED
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry_kit.apierror import APIError

_PATH = f"{HOME}/apps"


class RevokeForm(msgspec.Struct):
    """A form of one button."""


def operations(own: ConnectedApps, account: AccountPages) -> list[Operation]:
    """The room's pages."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        found = await own.all(call.actor.user.id)
        logos = [app.logo_url for app in found if app.logo_url]
        return await account.show(call, "apps", "apps", error, images=logos, apps=[(app, _may(app)) for app in found])

    async def ask(call: Call, error: APIError | None = None) -> Answer:
        wanted = call.path["id"]
        app = next((app for app in await own.all(call.actor.user.id) if app.id == wanted), None)
        if app is None:
            return await show(call, error or UnknownApplication())
        logos = [app.logo_url] if app.logo_url else []
        return await account.show(call, "apps", "app_revoke", error, images=logos, app=app, may=_may(app))

    async def revoke(call: Call) -> Answer:
        actor = call.actor
        name = await own.revoke(call.path["id"], actor.user.id, actor.session_id, call.origin)
        return account.done(_PATH, "apps.revoked", app=name)

    return [
        account.page(_PATH, show, "Applications that may act for you"),
        account.page(f"{_PATH}/{{id:uuid}}/revoke", ask, "Take back an application's access"),
        account.form(
            f"{_PATH}/{{id:uuid}}/revoke",
            revoke,
            ask,
            "Take back an application's access",
            body=RevokeForm,
            errors=(UnknownApplication,),
        ),
    ]


def _may(app: ConnectedApp) -> list[tuple[str, str]]:
    """The key of each scope's text, in the order of `SUPPORTED`, and the scope where it is not one of ours."""
    known = [(f"account.scope.{scope}", "") for scope in SUPPORTED if scope in app.scopes]
    return [*known, *(("account.scope.other", scope) for scope in app.scopes if scope not in SUPPORTED)]
