"""GET /api/v1/auth/microsoft/login and /callback: redirects, there and back."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

import msgspec

from identry.browser import BROWSER_PATH
from identry.core import email_address
from identry.core.db import Unavailable
from identry.core.limits import FEDERATED_LOGIN
from identry.core.secrets import token_hash
from identry.federation.departure import Departure, Errand, TooManyPending
from identry.federation.provider import MICROSOFT
from identry.flows.federated_login.refusals import NotUnderWay, Refused
from identry.flows.federated_login.service import Busy, FederatedLogin, Outcome, ProviderOff, Reply
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Handler, Operation

_ERRORS = (
    "`access_denied`, `state_invalid`, `token_invalid`, `email_domain_not_allowed`, `tenant_unknown`, "
    "`account_link_required`, `account_inactive`, `pending_approval` or `provider_unavailable`; with an invitation "
    "also `not_found` (there is none for this address), `invitation_expired` or `invitation_used`"
)


class LoginQuery(msgspec.Struct):
    """Where to go on, and who signs in."""

    return_to: Annotated[
        str,
        msgspec.Meta(
            description="Path in the app to go on at afterwards; anything but a path of its own is `/`.",
            extra={"lenient": True},
        ),
    ] = ""
    email: Annotated[str, msgspec.Meta(description="Address that the provider's form begins with.")] = ""
    invitation: Annotated[str, msgspec.Meta(description="Token of an invitation that is accepted with it.")] = ""


class CallbackQuery(msgspec.Struct):
    """What the provider sends the browser back with; other parameters are ignored."""

    state: Annotated[str, msgspec.Meta(description="As it was sent there.")] = ""
    code: Annotated[str, msgspec.Meta(description="The provider's code.")] = ""
    error: Annotated[str, msgspec.Meta(description="The provider's error instead.")] = ""
    iss: Annotated[str, msgspec.Meta(description="The provider's issuer (RFC 9207).")] = ""


@dataclass(frozen=True, slots=True)
class Redirects:
    """Where browsers are sent, and the cookies that they carry.

    Attributes:
        app_callback: the page of the app that takes the outcome.
        leaving: the cookie between start and callback.
        arriving: the cookie between callback and exchange.
        own_pages: the address in front of this server's own pages.
    """

    app_callback: str
    leaving: Cookie
    arriving: Cookie
    own_pages: str = ""

    async def leave(self, starting: Awaitable[Departure]) -> Answer:
        """To the provider, or back to the app when that cannot be had."""
        try:
            departure = await starting
        except Refused as refused:
            return self._to_app({"error": refused.code})
        return _redirect(departure.url, self.leaving.holding(departure.binding))

    async def arrive(self, finishing: Awaitable[Outcome]) -> Answer:
        """Onward: with a code, with the way that was linked, or with an error. The first cookie is used up.

        That is to the app, or to the page of this server on which it began. A callback that belongs to nothing uses no
        cookie up either: it may be that of an older window, or one that another site made the browser open.
        """
        try:
            outcome = await finishing
        except NotUnderWay as refused:
            return self._to_app({"error": refused.code})
        except Refused as refused:
            return self._onward({"error": refused.code}, refused.page, self.leaving.cleared())
        if outcome.hosted and outcome.issued is not None:
            cookie = self.arriving.holding(outcome.issued.binding)
            return self._onward({"code": outcome.issued.code}, outcome.return_to, cookie)
        if outcome.hosted:
            return self._onward({"linked": outcome.provider}, outcome.return_to, self.leaving.cleared())
        further = {} if outcome.return_to == "/" else {"return_to": outcome.return_to}
        if outcome.issued is None:
            return self._to_app({"linked": outcome.provider, **further}, self.leaving.cleared())
        cookie = self.arriving.holding(outcome.issued.binding)
        return self._to_app({"code": outcome.issued.code, **further}, cookie)

    def _onward(self, told: dict[str, str], page: str, *cookies: tuple[bytes, bytes]) -> Answer:
        if not page:
            return self._to_app(told, *cookies)
        glue = "&" if "?" in page else "?"
        return _redirect(f"{self.own_pages}{page}{glue}{urlencode(told)}", *cookies)

    def _to_app(self, told: dict[str, str], *cookies: tuple[bytes, bytes]) -> Answer:
        return _redirect(f"{self.app_callback}?{urlencode(told)}", *cookies)


def _redirect(url: str, *cookies: tuple[bytes, bytes]) -> Answer:
    return Answer(b"", headers={"Location": url}, cookies=cookies)


def operations(login: FederatedLogin, redirects: Redirects) -> list[Operation]:
    """The room's rows for the platform's own app at Entra ID."""

    async def start(call: Call) -> Answer:
        return await redirects.leave(login.start(MICROSOFT, errand_of(call.query), call.origin))

    async def callback(call: Call) -> Answer:
        binding = redirects.leaving.read(call) or ""
        return await redirects.arrive(login.finish(MICROSOFT, reply_of(call.query), binding, call.origin))

    return rows(f"{BROWSER_PATH}/microsoft", start, callback, "Microsoft")


def rows(path: str, start: Handler, callback: Handler, name: str, *, named: bool = False) -> list[Operation]:
    """Start and callback below `path`, for providers that people call `name`; `named`: the path says which one."""
    return [
        Operation(
            "GET",
            f"{path}/login",
            start,
            f"Sign in with {name}",
            tag="Browser",
            surface="browser",
            query=LoginQuery,
            status=302,
            limits=(FEDERATED_LOGIN,),
            errors=(ProviderOff, TooManyPending, Unavailable),
            description="A page to navigate to, not to fetch: redirects to the provider (authorization code with PKCE) "
            "and binds the sign-in to this browser by a cookie. When the provider cannot be had it redirects to "
            "`{APP_BASE_URL}/auth/callback?error=provider_unavailable`.",
        ),
        Operation(
            "GET",
            f"{path}/callback",
            callback,
            f"Come back from {name}",
            tag="Browser",
            surface="browser",
            query=CallbackQuery,
            status=302,
            errors=(*((ProviderOff,) if named else ()), Busy, Unavailable),
            description="The provider redirects here. Goes on to `{APP_BASE_URL}/auth/callback` with `code` (for "
            "`POST /api/v1/auth/exchange`, 60 seconds, this browser only), with `linked` after an identity was linked, "
            f"or with `error`: {_ERRORS}. `return_to` is there when the start had one.",
        ),
    ]


def errand_of(query: LoginQuery) -> Errand:
    """The errand of a sign-in; an address that is none is left out."""
    try:
        hint = email_address.normalised(query.email[: email_address.MAX_LENGTH]) if query.email else ""
    except ValueError:
        hint = ""
    invitation = token_hash(query.invitation) if query.invitation else None
    return Errand(return_to=query.return_to, login_hint=hint, invitation_hash=invitation)


def reply_of(query: CallbackQuery) -> Reply:
    """The reply of a provider."""
    return Reply(query.state, query.code, query.error, query.iss)
