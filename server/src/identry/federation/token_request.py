"""The code becomes an ID token (RFC 6749 §4.1.3), and that an identity: the only request that shows our secret."""

from __future__ import annotations

import structlog

from identry.core.clock import Clock
from identry.core.late import Late
from identry.core.outbound import JsonReply, OutboundError
from identry.federation import id_token, openid, userinfo
from identry.federation.departure import Secrets
from identry.federation.id_token import ProvenIdentity
from identry.federation.openid import TokenRefused
from identry.federation.provider import Provider, ProviderUnavailable
from identry.federation.reach import Reaches
from identry_kit.apierror import ServiceUnavailable

log = structlog.get_logger("identry.federation")

_OURS = ("invalid_client", "unauthorized_client")
"""Errors of the provider that mean: our secret or registration is wrong. No person can do anything about it."""


class Proofs:
    """Redeems codes at providers."""

    def __init__(self, clock: Clock, reaches: Reaches) -> None:
        self._clock = clock
        self._reaches = reaches
        self._ready = Late(openid.load)

    async def redeem(self, provider: Provider, code: str, secrets: Secrets) -> ProvenIdentity:
        """Who the code stands for.

        Raises:
            TokenRefused: the provider did not take the code, or its ID token proves nothing.
            ProviderUnavailable: it does not answer, or not as a provider does.
        """
        await self._ready()
        reach = self._reaches.of(provider)
        form, authorization = openid.token_request(
            code,
            secrets.verifier,
            provider.redirect_uri,
            provider.client_authentication,
            provider.client_id,
            provider.client_secret,
        )
        try:
            reply = await reach.http.post_form(provider.token_endpoint, form, authorization=authorization)
        except OutboundError as error:
            raise ProviderUnavailable(f"token endpoint: {error}") from error
        raw, access_token = _tokens(provider, reply)
        try:
            proven = await id_token.prove(
                raw, access_token, provider, reach.keys.of(provider), secrets.nonce, self._clock
            )
        except ServiceUnavailable:
            raise ProviderUnavailable("keys cannot be had") from None
        if proven.email is None and provider.userinfo_endpoint and access_token:
            return await userinfo.completed(proven, provider.userinfo_endpoint, access_token, reach.http)
        return proven


def _tokens(provider: Provider, reply: JsonReply) -> tuple[str, str | None]:
    """ID token and access token of the answer. Nothing of an error's text goes further than its registered code."""
    body = reply.body if isinstance(reply.body, dict) else {}
    if reply.status in {400, 401}:
        if body.get("error") in _OURS:
            log.error("federation.client_refused", provider=provider.key)
            raise ProviderUnavailable("our credentials are refused")
        raise TokenRefused("the code was not taken")
    if reply.status != 200 or not body:
        raise ProviderUnavailable(f"token endpoint: status {reply.status}, {'JSON' if body else 'no JSON object'}")
    raw, access_token = body.get("id_token"), body.get("access_token")
    if not isinstance(raw, str):
        raise TokenRefused("no ID token")
    return raw, access_token if isinstance(access_token, str) else None
