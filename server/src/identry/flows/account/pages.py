"""GET /account and /account/security: an account at a glance."""

from __future__ import annotations

from identry.flows.account.overview import Overview
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry_kit.apierror import APIError


def operations(overview: Overview, account: AccountPages) -> list[Operation]:
    """The room's pages."""

    async def home(call: Call, error: APIError | None = None) -> Answer:
        user = call.actor.user
        seen, local = await overview.glance(user), await overview.local(user)
        return await account.show(call, "overview", "overview", error, seen=seen, local=local)

    async def security(call: Call, error: APIError | None = None) -> Answer:
        user = call.actor.user
        seen, local = await overview.glance(user), await overview.local(user)
        return await account.show(call, "security", "security", error, seen=seen, local=local)

    return [
        account.page(HOME, home, "Your account"),
        account.page(f"{HOME}/security", security, "How you sign in"),
    ]
