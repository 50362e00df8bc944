"""A provider is tried: its document, its keys, our registration there. What is wrong is said with what to do about it.

Nobody is signed in and nothing is changed; the requests are those that a sign-in begins with, made by the server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import structlog

from identry.core.db import Executor
from identry.core.late import Late
from identry.core.limits import SSO_TRIAL, Limiter
from identry.core.outbound import JsonReply, OutboundError
from identry.core.secrets import SealError, new_token
from identry.federation import openid
from identry.federation.discovery import Discovery, DiscoveryFailed, Metadata
from identry.federation.provider import ClientAuthentication, ClientSecret, ProviderHttp
from identry.flows.tenant_sso.service import SsoUnknown
from identry.records import sso_configs, tenants
from identry.records.sso_configs import SsoConfig, SsoSecrets
from identry_kit.jwtauth import Key

log = structlog.get_logger("identry.tenant_sso")

_HARMLESS = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"})
"""What a provider tells a registered client that asks for nobody in particular without showing a page."""


RedirectUriOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went.

    Attributes:
        issuer: that was asked.
        problems: what keeps people from signing in, each with what to do; empty: nothing was found.
    """

    issuer: str
    problems: list[str]


class SsoTrial:
    """Tries what a tenant has configured, enabled or not.

    Args:
        http: kept out of private networks, as at every sign-in.
        authority: of the Entra cloud.
        redirect_uri_of: a tenant's short name → where its provider has to send the browser back to.
    """

    def __init__(
        self,
        db: Executor,
        limiter: Limiter,
        secrets: SsoSecrets,
        discovery: Discovery,
        http: ProviderHttp,
        *,
        authority: str,
        redirect_uri_of: RedirectUriOf,
    ) -> None:
        self._db = db
        self._limiter = limiter
        self._secrets = secrets
        self._discovery = discovery
        self._http = http
        self._authority = authority
        self._redirect_uri_of = redirect_uri_of
        self._ready = Late(openid.load)

    async def __call__(self, tenant_id: UUID) -> Trial:
        """Try it.

        Raises:
            RateLimited: the tenant used up its tries.
            SsoUnknown: nothing is configured.
        """
        await self._limiter.spend(SSO_TRIAL, str(tenant_id))
        found, tenant = await sso_configs.find(self._db, tenant_id), await tenants.find(self._db, tenant_id)
        if found is None or tenant is None:
            raise SsoUnknown
        config = found[0]
        issuer = config.issuer or f"{self._authority}/{config.directory_tenant_id}/v2.0"
        try:
            secret = ClientSecret(self._secrets.open(config))
        except SealError:
            return Trial(issuer, ["The stored client secret cannot be read any more. Enter it again."])
        try:
            document = await self._discovery.look(issuer)
        except DiscoveryFailed as failed:
            return Trial(issuer, [_sentence(str(failed))])
        await self._ready()
        redirect_uri = self._redirect_uri_of(tenant.slug)
        found_wrong = [
            _algorithm_problem(document),
            await self._keys_problem(document),
            await self._registration_problem(document, config, redirect_uri),
            await self._secret_problem(document, config, secret, redirect_uri),
        ]
        return Trial(issuer, [problem for problem in found_wrong if problem])

    async def _keys_problem(self, document: Metadata) -> str:
        try:
            reply = await self._http.get(document.jwks_uri)
        except OutboundError as error:
            log.info("sso_trial.keys", reason=str(error))
            return f"The keys at {document.jwks_uri} cannot be reached. Make that address reachable from here."
        listed = reply.body.get("keys") if reply.status == 200 and isinstance(reply.body, dict) else None
        if not isinstance(listed, list):
            return f"There is no key set at {document.jwks_uri} (status {reply.status}). Correct that at the provider."
        if not any(_is_usable(jwk) for jwk in listed[:100]):
            return "None of the provider's keys is an RSA signature key with a kid. Have it sign ID tokens with RS256."
        return ""

    async def _registration_problem(self, document: Metadata, config: SsoConfig, redirect_uri: str) -> str:
        """Ask as a browser would, with `prompt=none`: who is registered is sent back, to where it is registered."""
        url = openid.authorization_url(
            document.authorization_endpoint,
            config.client_id,
            redirect_uri,
            state=new_token(),
            nonce=new_token(),
            verifier=new_token(),
            prompt="none",
        )
        try:
            reply = await self._http.get(url)
        except OutboundError as error:
            log.info("sso_trial.registration", reason=str(error))
            return ""  # people's browsers ask there, this server never has to
        if reply.location is not None and _is_answer(reply.location, redirect_uri):
            return _refusal(reply.location)
        if 400 <= reply.status < 500:
            return (
                f"The provider refuses the client id or the redirect URI. Register {redirect_uri} there exactly so, "
                f"for the client {config.client_id}."
            )
        return ""

    async def _secret_problem(
        self, document: Metadata, config: SsoConfig, secret: ClientSecret, redirect_uri: str
    ) -> str:
        """Redeem a code that nobody gave: a client that proves itself is told so, another is told that it is none."""
        how: ClientAuthentication = document.client_authentication if config.issuer else "client_secret_post"
        form, authorization = openid.token_request(
            new_token(), new_token(), redirect_uri, how, config.client_id, secret
        )
        try:
            reply = await self._http.post_form(document.token_endpoint, form, authorization=authorization)
        except OutboundError as error:
            log.info("sso_trial.secret", reason=str(error))
            return f"The token endpoint {document.token_endpoint} cannot be reached. Make it reachable from here."
        if _error(reply) in ("invalid_client", "unauthorized_client"):  # it may be a list too
            return "The provider refuses the client id or the client secret. Enter the secret again."
        return ""


def _algorithm_problem(document: Metadata) -> str:
    if document.verifiable:
        return ""
    return "The provider does not sign ID tokens with RS256. Select that algorithm for this client."


def _is_usable(jwk: object) -> bool:
    try:
        return Key.from_jwk(jwk).alg == "RS256"
    except ValueError:
        return False


def _is_answer(location: str, redirect_uri: str) -> bool:
    return location == redirect_uri or location.startswith(redirect_uri + "?")


def _refusal(location: str) -> str:
    """What the provider says to a client that it knows; its own words stay where they are."""
    error = parse_qs(urlsplit(location).query).get("error", [""])[0]
    if not error or error in _HARMLESS:
        return ""
    shown = error if error.isascii() and error.replace("_", "").isalnum() and len(error) <= 50 else "an error"
    return (
        f"The provider answers {shown}. Allow this client the authorization code flow with PKCE (S256) and the scopes "
        "openid, profile and email."
    )


def _error(reply: JsonReply) -> object:
    return reply.body.get("error") if reply.status >= 400 and isinstance(reply.body, dict) else None


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
