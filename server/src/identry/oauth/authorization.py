"""An authorization request: as it came, as it was understood, and the address that its answer goes to.

Source: RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1, RFC 7636, 8707, 9207, 9449 §10; contracts/provider-api.md §5.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from identry.oauth.browser_session import BrowserSession
from identry.oauth.redirects import with_parameters
from identry.records.clients import Client
from identry_kit.apierror import APIError

RESPONSE_MODES = ("query", "form_post")
PROMPTS = ("none", "login", "consent", "select_account")
ACR_VALUES = ("pwd", "mfa")

_CLOCK_SKEW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The parameters of a request as they came; what is absent is empty."""

    client_id: str = ""
    redirect_uri: str = ""
    response_type: str = ""
    response_mode: str = ""
    state: str = ""
    scope: str = ""
    nonce: str = ""
    code_challenge: str = ""
    code_challenge_method: str = ""
    prompt: str = ""
    max_age: str = ""
    acr_values: str = ""
    login_hint: str = ""
    id_token_hint: str = ""
    ui_locales: str = ""
    claims: str = ""
    dpop_jkt: str = ""
    resource: tuple[str, ...] = ()
    request: str = ""
    request_uri: str = ""


class AuthorizationRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request that was understood and may be answered; what is stored while it waits.

    Attributes:
        redirect_uri_given: whether the request said where to go (the token request then says it again).
        state: echoed.
        audiences: resource servers that its tokens are for (RFC 8707); empty: the client's own.
        prompt: of `PROMPTS`.
        max_age: seconds that a sign-in may be old; None: any age.
        mfa: whether nothing but a second factor is good enough (`acr_values=mfa`).
        user_id: who has to be signed in (`id_token_hint`, a `sub` in `claims`); None: anybody.
        asked_at: when it came.
        agreed_in: the browser session in which the person agreed to it.
        waits: whether it waited for its person since it came.
        waits_after: the browser's session when it began to; None: it had none.
    """

    redirect_uri: str
    redirect_uri_given: bool
    response_mode: str
    state: str
    scopes: list[str]
    asked_at: datetime
    audiences: list[str] = []
    nonce: str = ""
    code_challenge: str = ""
    prompt: list[str] = []
    max_age: int | None = None
    mfa: bool = False
    login_hint: str = ""
    ui_locales: str = ""
    user_id: UUID | None = None
    dpop_jkt: str = ""
    agreed_in: UUID | None = None
    waits: bool = False
    waits_after: UUID | None = None

    def is_renewed_by(self, session: BrowserSession) -> bool:
        """Whether the person signed in since the request came."""
        # That it is another session is known for sure; the times may be of two machines whose clocks differ.
        is_new = self.waits and session.session_id != self.waits_after
        return is_new and session.auth_time >= self.asked_at - _CLOCK_SKEW

    def is_met_by(self, session: BrowserSession) -> bool:
        """Whether a session is of the right person, new enough, and as strong as the request wants it."""
        if self.user_id is not None and self.user_id != session.user.id:
            return False
        if self.mfa and "mfa" not in session.amr:
            return False
        if self.is_renewed_by(session):  # whoever signed in for this request has met it, however long the rest takes
            return True
        if {"login", "select_account"} & set(self.prompt):
            return False
        return self.max_age is None or session.auth_time >= self.asked_at - timedelta(seconds=self.max_age)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the answer goes: proven to be an address of the client.

    Attributes:
        issuer: named in every answer (RFC 9207).
    """

    redirect_uri: str
    response_mode: str
    state: str
    issuer: str

    def code(self, raw_code: str) -> Sent:
        """The answer with a code."""
        return self._sent({"code": raw_code})

    def refusal(self, error: APIError) -> Sent:
        """The answer that says why there is none."""
        return self._sent({"error": error.code, "error_description": error.public_message})

    def _sent(self, told: dict[str, str]) -> Sent:
        mode = self.response_mode if self.response_mode in RESPONSE_MODES else "query"
        return Sent(self.redirect_uri, mode, {**told, "state": self.state, "iss": self.issuer})


@dataclass(frozen=True, slots=True)
class Sent:
    """The browser goes back to the client with these parameters."""

    redirect_uri: str
    response_mode: str
    parameters: dict[str, str]

    @property
    def url(self) -> str:
        """The address with its parameters (`response_mode=query`)."""
        return with_parameters(self.redirect_uri, self.parameters)


@dataclass(frozen=True, slots=True)
class Waits:
    """A page has to be shown first.

    Attributes:
        page: `login` or `consent`.
        handle: of the request, for the page's address.
        binding: value of the cookie that ties the request to this browser; None: it has it.
    """

    page: str
    handle: str
    binding: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for its person, found again in their browser."""

    id: UUID
    handle: str
    client: Client
    request: AuthorizationRequest

    def target(self, issuer: str) -> Target:
        """Where its answer goes."""
        return Target(self.request.redirect_uri, self.request.response_mode, self.request.state, issuer)
