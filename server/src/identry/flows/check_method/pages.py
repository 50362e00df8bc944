"""GET and POST /login/sso: an address leads to the provider of its domain."""

from __future__ import annotations

import msgspec

from identry.core.limits import CHECK_METHOD
from identry.flows.check_method.service import CheckMethod, Ways
from identry.hosted import Doors, Hosted
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.trail import Trail
from identry.web.validation import LoginEmail
from identry_kit.apierror import APIError


class DomainForm(msgspec.Struct):
    """Whose domain."""

    email: LoginEmail


def operations(check: CheckMethod, hosted: Hosted, doors: Doors) -> list[Operation]:
    """The room's pages."""

    async def show(call: Call, error: APIError | None = None, ways: Ways | None = None) -> Answer:
        asking = await hosted.asking(call)
        email = asking.login_hint if asking else Trail.of(call).email
        return await hosted.show(call, "sso.html", error, asking=asking, email=email, ways=ways, doors=doors)

    async def submit(call: Call) -> Answer:
        return await show(call, ways=await check(call.body.email, call.origin))

    return [
        hosted.pages.page("/login/sso", show, "Single sign-on"),
        hosted.pages.form(
            "/login/sso", submit, show, "Find the provider of an address", body=DomainForm, limits=(CHECK_METHOD,)
        ),
    ]
