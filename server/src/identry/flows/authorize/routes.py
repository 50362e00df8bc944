"""GET and POST /oauth/authorize, GET /oauth/authorize/continue: redirects, there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from identry.core.db import Unavailable
from identry.core.limits import AUTHORIZE
from identry.flows.authorize.service import Authorize, Browser
from identry.oauth.errors import InvalidRequestUri, RequestGone, UnknownApplication, UnknownRedirect
from identry.web.authorization import AuthorizationQuery, answer, asked_in_query
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Operation

_DESCRIPTION = (
    "A page to navigate to, not to fetch. Redirects to the application's `redirect_uri` with `code`, `state` and `iss` "
    "(RFC 9207), or with `error`; or first to a page where the person signs in or agrees. PKCE (`S256`) is required "
    "of every client that was not registered without it. An unknown application or address is told on a page."
)
_FORM_POST = {200: "A page that posts the answer to the application (`response_mode=form_post`)"}


class ContinueQuery(msgspec.Struct):
    """Which request goes on."""

    request: Annotated[str, msgspec.Meta(max_length=200, description="As the page was called with.")] = ""


@dataclass(frozen=True, slots=True)
class Cookies:
    """What a browser is known by.

    Attributes:
        session: its single sign-on session.
        binding: ties requests that wait to it.
    """

    session: Cookie
    binding: Cookie

    def of(self, call: Call) -> Browser:
        """What this browser brought along."""
        return Browser(self.session.read(call), self.binding.read(call))


def operations(authorize: Authorize, cookies: Cookies) -> list[Operation]:
    """The room's rows of the operation table."""

    async def by_address(call: Call) -> Answer:
        asked = asked_in_query(call.scope["query_string"])
        return answer(await authorize(asked, cookies.of(call), call.origin), cookies.binding)

    async def by_form(call: Call) -> Answer:
        asked: AuthorizationQuery = call.body
        return answer(await authorize(asked.asked(), cookies.of(call), call.origin), cookies.binding)

    async def go_on(call: Call) -> Answer:
        query: ContinueQuery = call.query
        return answer(await authorize.go_on(query.request, cookies.of(call)), cookies.binding)

    shared: dict[str, Any] = {"tag": "OAuth", "surface": "oauth", "status": 302, "media_type": "text/html"}
    shared["also"] = _FORM_POST
    refusals = (UnknownApplication, UnknownRedirect, InvalidRequestUri, Unavailable)
    return [
        Operation(
            "GET",
            "/oauth/authorize",
            by_address,
            "Ask a person for access",
            query=AuthorizationQuery,
            limits=(AUTHORIZE,),
            errors=refusals,
            description=_DESCRIPTION,
            **shared,
        ),
        Operation(
            "POST",
            "/oauth/authorize",
            by_form,
            "Ask a person for access, by a form",
            body=AuthorizationQuery,
            form="only",
            limits=(AUTHORIZE,),
            errors=refusals,
            description=_DESCRIPTION,
            example={"client_id": "reports", "response_type": "code", "redirect_uri": "https://app.test/cb"},
            **shared,
        ),
        Operation(
            "GET",
            "/oauth/authorize/continue",
            go_on,
            "Go on with a request after a page",
            query=ContinueQuery,
            errors=(RequestGone, Unavailable),
            description="Where the sign-in and consent pages lead: redirects to the application, or to the page that "
            "still comes first.",
            **shared,
        ),
    ]
