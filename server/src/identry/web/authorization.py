"""How an authorization request comes in, and how its answer goes back through the browser."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Annotated
from urllib.parse import urlencode

import msgspec

from identry.oauth.authorization import Asked, Sent, Waits
from identry.web.call import Answer
from identry.web.cookies import Cookie
from identry.web.decoding import decode_form
from identry.web.validation import secret

_DAY = 86400


def _text(longest: int, description: str, *examples: str) -> msgspec.Meta:
    return msgspec.Meta(max_length=longest, description=description, extra={"check": secret}, examples=list(examples))


class AuthorizationQuery(msgspec.Struct):
    """The parameters of an authorization request; others are ignored."""

    client_id: Annotated[str, _text(128, "The application.", "reports")] = ""
    redirect_uri: Annotated[
        str, _text(2048, "Where the answer goes: an address that is registered, to the letter.", "https://app.test/cb")
    ] = ""
    response_type: Annotated[str, _text(100, "`code`.", "code")] = ""
    response_mode: Annotated[str, _text(100, "`query` (default) or `form_post`.")] = ""
    state: Annotated[str, _text(4096, "Comes back with the answer; required.", "af0ifjsldkj")] = ""
    scope: Annotated[str, _text(2000, "What is asked for.", "openid email")] = ""
    nonce: Annotated[str, _text(1024, "Comes back in the ID token.")] = ""
    code_challenge: Annotated[str, _text(256, "PKCE (RFC 7636).")] = ""
    code_challenge_method: Annotated[str, _text(20, "`S256`.", "S256")] = ""
    prompt: Annotated[str, _text(200, "`none`, or of `login`, `consent`, `select_account`.")] = ""
    max_age: Annotated[str, _text(20, "How long ago the person may have signed in, in seconds.")] = ""
    acr_values: Annotated[str, _text(500, "`mfa` alone: nothing but a second factor is good enough.")] = ""
    login_hint: Annotated[str, _text(254, "Address that the sign-in begins with.")] = ""
    id_token_hint: Annotated[str, _text(16_384, "An ID token of whom the request is about.")] = ""
    ui_locales: Annotated[str, _text(200, "Languages of the pages, best first.")] = ""
    claims: Annotated[str, _text(4096, "Claims asked for one by one (OpenID Connect Core §5.5), as JSON.")] = ""
    dpop_jkt: Annotated[str, _text(100, "The key that the code is bound to (RFC 9449 §10).")] = ""
    resource: Annotated[
        list[Annotated[str, _text(2048, "")]],
        msgspec.Meta(max_length=20, description="Resource servers that the tokens are for (RFC 8707)."),
    ] = []
    request: Annotated[str, _text(16_384, "Not supported.")] = ""
    request_uri: Annotated[str, _text(2048, "Of a pushed request (RFC 9126), and no other.")] = ""

    def asked(self) -> Asked:
        """As the services read it."""
        values = {name: getattr(self, name) for name in AuthorizationQuery.__struct_fields__}
        return Asked(**{**values, "resource": tuple(self.resource)})


def asked_in_query(query_string: bytes) -> Asked:
    """The request in an address; a parameter that comes twice is refused (RFC 6749 §3.1).

    Raises:
        InvalidRequest: with every fault.
    """
    query: AuthorizationQuery = decode_form(AuthorizationQuery, query_string)
    return query.asked()


def binding_cookie(name: str, *, secure: bool) -> Cookie:
    """The cookie that ties requests which wait to the browser that began them."""
    return Cookie(f"__Host-{name}" if secure else name, "/", _DAY, "Lax", secure)


def answer(outcome: Sent | Waits, binding: Cookie, *, status: int = 302) -> Answer:
    """Back to the client, or on to the page that comes first."""
    if isinstance(outcome, Waits):
        cookies = () if outcome.binding is None else (binding.holding(outcome.binding),)
        where = f"/{outcome.page}?{urlencode({'request': outcome.handle})}"
        return Answer(b"", status, {"Location": where, "Cache-Control": "no-store"}, cookies)
    if outcome.response_mode == "form_post":
        return _form_post(outcome)
    headers = {"Location": outcome.url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Answer(b"", status, headers)


_SUBMIT = "document.forms[0].submit()"
_SUBMIT_HASH = base64.b64encode(hashlib.sha256(_SUBMIT.encode()).digest()).decode()


def _form_post(sent: Sent) -> Answer:
    """A form that sends itself to the client (OAuth 2.0 Form Post Response Mode); without scripts a button does."""
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in sent.parameters.items()
        if value
    )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>…</title>'
        f'<form method="post" action="{escape(sent.redirect_uri)}">{fields}'
        f'<noscript><button type="submit">Continue</button></noscript></form><script>{_SUBMIT}</script></html>'
    )
    headers = {
        # No `form-action`: browsers hold it also against where the client redirects to in its turn.
        "Content-Security-Policy": f"default-src 'none'; script-src 'sha256-{_SUBMIT_HASH}'; base-uri 'none'; "
        "frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }
    return Answer(page.encode(), 200, headers)
