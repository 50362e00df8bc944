"""POST /api/v1/auth/check-method."""

from __future__ import annotations

from typing import Literal

import msgspec

from identry.browser import BROWSER_PATH
from identry.core.limits import CHECK_METHOD
from identry.flows.check_method.service import CheckMethod
from identry.signin import PasswordLoginDisabled
from identry.web.call import Call
from identry.web.operations import Operation
from identry.web.validation import LoginEmail

Method = Literal["password", "microsoft", "oidc"]


class CheckMethodBody(msgspec.Struct):
    """Who wants to sign in."""

    email: LoginEmail


class SsoLink(msgspec.Struct, frozen=True):
    """Where single sign-on begins, and what its button says."""

    login_url: str
    display_name: str


class CheckMethodView(msgspec.Struct, frozen=True):
    """What to offer; `preferred` first."""

    methods: list[Method]
    preferred: Method
    sso: SsoLink | None


def operations(check: CheckMethod) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> CheckMethodView:
        body: CheckMethodBody = call.body
        ways = await check(body.email, call.origin)
        sso = SsoLink(ways.sso.login_url, ways.sso.display_name) if ways.sso else None
        return CheckMethodView(list(ways.methods), ways.preferred, sso)  # type: ignore[arg-type]  # the words of Method

    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/check-method",
            handle,
            "Which ways to sign in an address may use",
            tag="Browser",
            surface="browser",
            body=CheckMethodBody,
            reply=CheckMethodView,
            limits=(CHECK_METHOD,),
            errors=(PasswordLoginDisabled,),
            description="Follows from the address's domain alone; the same whether or not the account exists.",
            example={"email": "ada@example.com"},
        )
    ]
