"""Authorization requests for tests: a client, a browser, and the parameters that bring one to the other."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from harness import Harness
from provider.applications import App, application
from provider.browsers import Browser

CALLBACK = "https://client.example.com/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
ISSUER = "https://auth.example.com"


async def web_client(app: Harness, **values: Any) -> App:
    """A confidential client of the operator's own: nobody is asked for consent, unless `values` say otherwise."""
    return await application(app, **{"redirect_uris": [CALLBACK], "first_party": True, **values})


def request_of(client: App, **changes: str | None) -> dict[str, str]:
    """The parameters of a request that is right, with some changed or (None) left out."""
    right = {
        "client_id": client.client.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid email",
        "state": "state-1",
        "nonce": "nonce-1",
        **PKCE,
        **changes,
    }
    return {name: value for name, value in right.items() if value is not None}


async def ask(browser: Browser, client: App, **changes: str | None) -> Any:
    """The answer to a request."""
    return await browser.get(f"/oauth/authorize?{urlencode(request_of(client, **changes))}")


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a redirect leads."""

    address: str
    parameters: dict[str, str]

    @property
    def handle(self) -> str:
        """Of the request that a page belongs to."""
        return self.parameters["request"]


def landed(reply: Any) -> Landed:
    """The redirect of an answer."""
    assert reply.status_code in {302, 303}, (reply.status_code, reply.text)
    parts = urlsplit(reply.headers["location"])
    address = f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else parts.path
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    assert len(pairs) == len(dict(pairs)), f"repeated: {pairs}"
    return Landed(address, dict(pairs))


def code_of(reply: Any) -> str:
    """The code of an answer that is right in everything."""
    went = landed(reply)
    assert went.address == CALLBACK, went
    assert set(went.parameters) == {"code", "state", "iss"}, went
    assert (went.parameters["state"], went.parameters["iss"]) == ("state-1", ISSUER)
    return went.parameters["code"]


def error_of(reply: Any) -> str:
    """The error that the client is told, at its address, with state and issuer."""
    went = landed(reply)
    assert went.address == CALLBACK, went
    assert went.parameters["iss"] == ISSUER
    return went.parameters["error"]


async def go_on(browser: Browser, handle: str) -> Any:
    """What the pages lead to when they are done."""
    return await browser.get(f"/oauth/authorize/continue?request={handle}")


def form_token(browser: Browser) -> str:
    """What the forms of a page carry in this browser."""
    forms = browser.app.app.engines.provider.pages.forms
    return forms.token(browser.cookies.setdefault(forms.cookie.name, f"browser-{id(browser)}"))


async def decide(browser: Browser, handle: str, decision: str, **headers: str) -> Any:
    """The form of the consent page."""
    return await browser.post(
        "/oauth/authorize/consent",
        data={"request": handle, "decision": decision, "csrf": form_token(browser)},
        headers={"Origin": ISSUER, **headers},
    )


REFUSED_ANYWHERE: dict[str, tuple[str, dict[str, str | None]]] = {
    "no response type": ("invalid_request", {"response_type": None}),
    "another response type": ("unsupported_response_type", {"response_type": "token"}),
    "two response types": ("unsupported_response_type", {"response_type": "code id_token"}),
    "the answer in a fragment": ("invalid_request", {"response_mode": "fragment"}),
    "no state": ("invalid_request", {"state": None}),
    "an empty state": ("invalid_request", {"state": ""}),
    "an unknown scope": ("invalid_scope", {"scope": "openid admin"}),
    "a scope of no shape": ("invalid_scope", {"scope": 'openid "'}),
    "no challenge": ("invalid_request", {"code_challenge": None, "code_challenge_method": None}),
    "an empty challenge": ("invalid_request", {"code_challenge": ""}),
    "the plain method": ("invalid_request", {"code_challenge_method": "plain"}),
    "no method, which means plain": ("invalid_request", {"code_challenge_method": None}),
    "a method in another case": ("invalid_request", {"code_challenge_method": "s256"}),
    "a challenge that is too short": ("invalid_request", {"code_challenge": "abc"}),
    "a padded challenge": ("invalid_request", {"code_challenge": CHALLENGE + "="}),
    "a request object": ("request_not_supported", {"request": "eyJhbGciOiJub25lIn0.e30."}),
    "claims that are no JSON": ("invalid_request", {"claims": "{"}),
    "claims that are a list": ("invalid_request", {"claims": "[]"}),
    "a claim of no shape": ("invalid_request", {"claims": '{"id_token":{"acr":true}}'}),
    "claims without a bottom": ("invalid_request", {"claims": '{"id_token":{"acr":{"value":' + "[" * 4000}),
    "one of two people": ("invalid_request", {"claims": '{"id_token":{"sub":{"values":["1","2"]}}}'}),
    "a person of no number": ("invalid_request", {"claims": '{"id_token":{"sub":{"value":"ada"}}}'}),
    "nothing but a context that there is not": (
        "unmet_authentication_requirements",
        {"claims": '{"id_token":{"acr":{"essential":true,"values":["phr"]}}}'},
    ),
    "an unknown prompt": ("invalid_request", {"prompt": "create"}),
    "none beside another prompt": ("invalid_request", {"prompt": "none login"}),
    "a negative age": ("invalid_request", {"max_age": "-1"}),
    "an age of no number": ("invalid_request", {"max_age": "1e3"}),
    "a foreign resource": ("invalid_target", {"resource": "https://other.example.com"}),
    "a hint that is no token": ("invalid_request", {"id_token_hint": "x.y.z"}),
    "a key of no shape": ("invalid_request", {"dpop_jkt": "short"}),
}
"""What is wrong with a request whose address is right: the error, and what was changed."""
