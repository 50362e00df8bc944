"""What an authorization request must be: small checks, in the order of the specifications.

First `target` finds out where an answer may go; what fails there is told to the person on a page. All further checks
tell the client, at that address. The same checks serve the authorization endpoint and pushed requests (RFC 9126 §2.1).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.oauth import claims_request, pkce, redirects, scopes
from identry.oauth.authorization import ACR_VALUES, PROMPTS, RESPONSE_MODES, Asked, AuthorizationRequest, Target
from identry.oauth.claims_request import ClaimsRequest
from identry.oauth.errors import (
    InvalidTarget,
    LoginRequired,
    OAuthRequestError,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnknownApplication,
    UnknownRedirect,
    UnsupportedResponseType,
)
from identry.oauth.id_token_hint import IdTokenHints
from identry.records import clients, users
from identry.records.clients import Client

GRANT = "authorization_code"

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS = re.compile(r"[0-9]{1,9}")


class RequestChecks:
    """Understands authorization requests.

    Args:
        issuer: `OAUTH_ISSUER`.
    """

    def __init__(self, db: Executor, clock: Clock, hints: IdTokenHints, *, issuer: str) -> None:
        self._db = db
        self._clock = clock
        self._hints = hints
        self._issuer = issuer

    async def target(self, asked: Asked) -> tuple[Client, Target]:
        """The client, and the address where it wants its answer.

        Raises:
            UnknownApplication, UnknownRedirect: nobody may be sent anywhere.
            ServiceUnavailable: the database cannot tell.
        """
        client = await self.client(asked)
        return client, self.target_of(client, asked)

    async def client(self, asked: Asked) -> Client:
        """The client that a request names.

        Raises:
            UnknownApplication: there is none, or it may not act any more.
            ServiceUnavailable: the database cannot tell.
        """
        client = await clients.find(self._db, asked.client_id) if asked.client_id else None
        if client is None or not client.is_active:
            raise UnknownApplication
        return client

    def target_of(self, client: Client, asked: Asked) -> Target:
        """The address where a client that is known wants its answer.

        Raises:
            UnknownRedirect: it is not one of its own.
        """
        uri = asked.redirect_uri
        if not uri:
            # RFC 6749 §3.1.2.3: it may be left out where there is but one; OpenID Connect wants it said.
            if len(client.redirect_uris) != 1 or "openid" in asked.scope.split(" "):
                raise UnknownRedirect("the application did not say where it wants you back")
            uri = client.redirect_uris[0]
        elif not redirects.matches(client.redirect_uris, uri, native=client.is_native):
            raise UnknownRedirect
        return Target(uri, asked.response_mode, asked.state, self._issuer)

    async def __call__(
        self, asked: Asked, client: Client, target: Target, *, pushed: bool = False
    ) -> AuthorizationRequest:
        """The request, understood; `pushed`: it came, or is just coming, to the pushed-request endpoint.

        Raises:
            BadRequest: one of `oauth.errors`, for the client.
            ServiceUnavailable: database or keys cannot tell.
        """
        _response_mode(asked)
        _no_request_object(asked)
        _grant(client)
        _pushed(client, pushed=pushed)
        _response_type(asked)
        _state(asked)
        claims = claims_request.read(asked.claims)
        granted = claims.within(client, scopes.for_user(client, asked.scope))
        challenge = _pkce(asked, client)
        return AuthorizationRequest(
            redirect_uri=target.redirect_uri,
            redirect_uri_given=bool(asked.redirect_uri),
            response_mode=asked.response_mode,
            state=asked.state,
            scopes=list(granted),
            asked_at=self._clock.now(),
            audiences=_resources(asked, client),
            nonce=asked.nonce,
            code_challenge=challenge,
            prompt=_prompt(asked),
            max_age=_max_age(asked),
            mfa=_mfa(asked) or claims.mfa,
            login_hint=asked.login_hint,
            ui_locales=asked.ui_locales,
            user_id=await self._meant(asked, client, claims),
            dpop_jkt=_dpop_jkt(asked),
        )

    async def _meant(self, asked: Asked, client: Client, claims: ClaimsRequest) -> UUID | None:
        """Whom an `id_token_hint` is about, or a `sub` that is asked for."""
        subject = claims.subject
        if asked.id_token_hint:
            hint = await self._hints.read(asked.id_token_hint)
            if hint is None or hint.client_id != client.client_id:
                raise OAuthRequestError("id_token_hint is no ID token of this client")
            if subject and int(subject) != hint.number:
                raise OAuthRequestError("id_token_hint and claims are about different people")
            subject = str(hint.number)
        if not subject:
            return None
        user_id = await users.id_of_number(self._db, int(subject))
        if user_id is None:
            raise LoginRequired
        return user_id


def _response_mode(asked: Asked) -> None:
    if asked.response_mode and asked.response_mode not in RESPONSE_MODES:
        raise OAuthRequestError("response_mode is query or form_post")


def _no_request_object(asked: Asked) -> None:
    if asked.request:
        raise RequestNotSupported
    if asked.request_uri:
        raise RequestUriNotSupported


def _grant(client: Client) -> None:
    if GRANT not in client.grant_types:
        raise UnauthorizedClient


def _pushed(client: Client, *, pushed: bool) -> None:
    if client.require_par and not pushed:
        raise OAuthRequestError("this client pushes its requests: send request_uri")


def _response_type(asked: Asked) -> None:
    if not asked.response_type:
        raise OAuthRequestError("response_type is missing")
    if asked.response_type != "code":
        raise UnsupportedResponseType


def _state(asked: Asked) -> None:
    if not asked.state:
        raise OAuthRequestError("state is missing")


def _pkce(asked: Asked, client: Client) -> str:
    """The challenge; empty where the client goes without."""
    if not asked.code_challenge:
        if asked.code_challenge_method:
            raise OAuthRequestError("code_challenge_method comes with a code_challenge")
        if client.is_public or client.require_pkce:
            raise OAuthRequestError("code_challenge is missing: this client uses PKCE")
        return ""
    if asked.code_challenge_method != pkce.METHOD:
        raise OAuthRequestError("code_challenge_method is S256")
    if not pkce.is_challenge(asked.code_challenge):
        raise OAuthRequestError("code_challenge is 32 bytes in base64url")
    return asked.code_challenge


def _resources(asked: Asked, client: Client) -> list[str]:
    """The resource servers asked for: each one that the client may ask tokens for."""
    for resource in asked.resource:
        if resource not in client.audiences or not urlsplit(resource).scheme or "#" in resource:
            raise InvalidTarget
    return list(dict.fromkeys(asked.resource))


def _prompt(asked: Asked) -> list[str]:
    words = list(dict.fromkeys(word for word in asked.prompt.split(" ") if word))
    if any(word not in PROMPTS for word in words):
        raise OAuthRequestError(f"prompt is of {', '.join(PROMPTS)}")
    if "none" in words and len(words) > 1:
        raise OAuthRequestError("prompt=none stands alone")
    return words


def _max_age(asked: Asked) -> int | None:
    if not asked.max_age:
        return None
    if not _SECONDS.fullmatch(asked.max_age):
        raise OAuthRequestError("max_age is a number of seconds")
    return int(asked.max_age)


def _mfa(asked: Asked) -> bool:
    """Whether, of the contexts asked for that exist here, `mfa` is the only one: any of them would do."""
    known = {word for word in asked.acr_values.split(" ") if word in ACR_VALUES}
    return known == {"mfa"}


def _dpop_jkt(asked: Asked) -> str:
    if asked.dpop_jkt and not _THUMBPRINT.fullmatch(asked.dpop_jkt):
        raise OAuthRequestError("dpop_jkt is a SHA-256 thumbprint in base64url")
    return asked.dpop_jkt
