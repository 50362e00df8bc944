"""GET and POST /oauth/logout, POST /oauth/logout/confirm."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from identry.core.db import Unavailable
from identry.flows.end_session.service import AskedToEnd, Ended, EndSession, Next
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.decoding import decode_form
from identry.web.operations import Guard, Operation
from identry.web.page_forms import ForeignForm, FormGuard, FormToken
from identry.web.validation import secret

_DESCRIPTION = (
    "OpenID Connect RP-Initiated Logout 1.0. With an ID token of this server, expired or not, the browser's session "
    "ends with everything that was given in it, and the browser goes to `post_logout_redirect_uri` if that is "
    "registered. Otherwise the person is asked. Clients that registered an address for it are told (Back-Channel "
    "Logout 1.0)."
)


def _text(longest: int, description: str) -> msgspec.Meta:
    return msgspec.Meta(max_length=longest, description=description, extra={"check": secret})


class EndSessionQuery(msgspec.Struct):
    """Whose session ends, and where to go afterwards; other parameters are ignored."""

    id_token_hint: Annotated[str, _text(16_384, "An ID token that the application got.")] = ""
    client_id: Annotated[str, _text(128, "The application, if it names itself.")] = ""
    post_logout_redirect_uri: Annotated[str, _text(2048, "Where to go: a registered address, to the letter.")] = ""
    state: Annotated[str, _text(4096, "Comes back at that address.")] = ""

    def asked(self) -> AskedToEnd:
        """As the service reads it."""
        return AskedToEnd(self.id_token_hint, self.client_id, self.post_logout_redirect_uri, self.state)


class SignOutBody(msgspec.Struct):
    """The answer of the person; that our own page sent the form is what counts, as its token says."""

    confirm: Annotated[str, _text(20, "`yes`.")] = ""
    csrf: FormToken = ""


class LogoutMessage(msgspec.Struct, frozen=True):
    """What a caller is told that shows no pages."""

    message: str = "logout successful"


def operations(end: EndSession, session: Cookie, forms: FormGuard) -> list[Operation]:
    """The room's rows of the operation table; `forms` knows the page's own form."""

    async def by_address(call: Call) -> Answer:
        query: EndSessionQuery = decode_form(EndSessionQuery, call.scope["query_string"])
        return _answer(call, await end(query.asked(), session.read(call), call.origin), session)

    async def by_form(call: Call) -> Answer:
        body: EndSessionQuery = call.body
        return _answer(call, await end(body.asked(), session.read(call), call.origin), session)

    async def confirm(call: Call) -> Answer:
        if not forms.is_ours(call, call.body.csrf):  # of a page that is too old: the new one asks again
            return _answer(call, Ended(Next.CONFIRM), session, status=303)
        return _answer(call, await end.confirm(session.read(call), call.origin), session, status=303)

    shared: dict[str, Any] = {"tag": "OAuth", "surface": "oauth", "errors": (Unavailable,)}
    both: dict[str, Any] = {"status": 302, "reply": LogoutMessage, "description": _DESCRIPTION, **shared}
    both["also"] = {200: "Signed out, for callers that accept no HTML"}
    return [
        Operation("GET", "/oauth/logout", by_address, "Sign a person out", query=EndSessionQuery, **both),
        Operation(
            "POST",
            "/oauth/logout",
            by_form,
            "Sign a person out, by a form",
            body=EndSessionQuery,
            form="only",
            example={"id_token_hint": "eyJ…", "post_logout_redirect_uri": "https://app.test/bye"},
            **both,
        ),
        Operation(
            "POST",
            "/oauth/logout/confirm",
            confirm,
            "Sign out of this browser",
            guard=Guard.FORM,
            body=SignOutBody,
            form="only",
            status=303,
            description="The form of the page that asks, sent by it only. Goes on to `/signed-out`; without the "
            "page's token it leads to the page again.",
            example={"confirm": "yes", "csrf": "k2Vd…"},
            **{**shared, "errors": (ForeignForm,)},
        ),
    ]


def _answer(call: Call, ended: Ended, session: Cookie, *, status: int = 302) -> Answer:
    cookies = (session.cleared(),) if ended.gone else ()
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    if ended.next is Next.DONE and status == 302 and "text/html" not in (call.header(b"accept") or ""):
        return Answer(LogoutMessage(), 200, headers, cookies)
    where = f"/{ended.next.value}" if isinstance(ended.next, Next) else ended.next
    return Answer(b"", status, {**headers, "Location": where}, cookies)
