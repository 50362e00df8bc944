"""One endpoint, one small function per grant. Source: contracts/provider-api.md §5, §8, §13; RFC 6749, RFC 9700."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.kv import RevocationMarks
from identry.core.limits import TOKEN, TOKEN_CONFIDENTIAL, Limiter, limit_headers
from identry.core.origin import Origin
from identry.core.secrets import token_hash
from identry.oauth import resources, scopes
from identry.oauth.client_proof import ClientProof, Presented
from identry.oauth.codes import Redeeming
from identry.oauth.dpop import Dpop, Shown
from identry.oauth.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidClient,
    InvalidDpopProof,
    InvalidGrant,
    OAuthRequestError,
    SlowDown,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from identry.oauth.grants import Grants, Lifetimes, Opened, Opening, TokenSet
from identry.oauth.refreshing import Refreshing
from identry.records import device_codes
from identry.records.clients import Client
from identry.records.device_codes import DeviceCode
from identry.tokens import ProviderMint
from identry_kit.context import annotate

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


class Asked(msgspec.Struct, frozen=True):
    """A token request, its client's credentials apart; what is not there is empty.

    Attributes:
        resource: servers that the token is for (RFC 8707).
        proof: a DPoP proof.
    """

    grant_type: str
    scope: str = ""
    code: str = ""
    redirect_uri: str = ""
    code_verifier: str = ""
    refresh_token: str = ""
    device_code: str = ""
    resource: tuple[str, ...] = ()
    proof: Shown | None = None


_Grant = Callable[[Client, Asked, str | None, Origin], Awaitable[TokenSet]]


class Token:
    """Answers token requests; `jkt` is the thumbprint of the key that proved itself, if one did."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        marks: RevocationMarks,
        limiter: Limiter,
        proof: ClientProof,
        dpop: Dpop,
        mint: ProviderMint,
        grants: Grants,
        redeeming: Redeeming,
        refreshing: Refreshing,
        lifetimes: Lifetimes,
    ) -> None:
        self._db = db
        self._clock = clock
        self._marks = marks
        self._limiter = limiter
        self._proof = proof
        self._dpop = dpop
        self._mint = mint
        self._grants = grants
        self._redeeming = redeeming
        self._refreshing = refreshing
        self._lifetimes = lifetimes
        self._by_type: dict[str, _Grant] = {
            "authorization_code": self._code,
            "refresh_token": self._refresh,
            "client_credentials": self._client_credentials,
            DEVICE_CODE: self._device,
        }

    async def __call__(self, asked: Asked, presented: Presented, origin: Origin) -> tuple[TokenSet, dict[str, str]]:
        """The tokens of a grant, and how much of its limit the client has left (headers).

        Raises:
            InvalidClient, InvalidGrant, UnauthorizedClient, UnsupportedGrantType, InvalidScope, InvalidTarget,
            OAuthRequestError, InvalidDpopProof, and those of RFC 8628: as those standards have them.
            RateLimited, ServiceUnavailable: too often; the database cannot tell.
        """
        if not asked.grant_type:
            raise OAuthRequestError("grant_type is missing")
        grant = self._by_type.get(asked.grant_type)
        if grant is None:
            raise UnsupportedGrantType
        client, left = await self._client(presented, origin)
        if asked.grant_type not in client.grant_types:
            raise UnauthorizedClient
        jkt = await self._key(client, asked.proof)
        annotate(grant=asked.grant_type, client=client.client_id)
        return await grant(client, asked, jkt, origin), left

    async def _client(self, presented: Presented, origin: Origin) -> tuple[Client, dict[str, str]]:
        """The client, proven, its limit spent; who proves nothing spends the small one."""
        try:
            client = await self._proof(presented)
        except InvalidClient:
            await self._limiter.spend(TOKEN, origin.ip, presented.client_id)
            raise
        limit = TOKEN if client.is_public else TOKEN_CONFIDENTIAL
        return client, limit_headers(limit, await self._limiter.spend(limit, origin.ip, client.client_id))

    async def _key(self, client: Client, proof: Shown | None) -> str | None:
        """The key that the tokens are to be bound to (RFC 9449 §5)."""
        if proof is not None:
            return await self._dpop.key_of(proof)
        if client.require_dpop:
            raise InvalidDpopProof("this client must send a DPoP proof")
        return None

    async def _client_credentials(self, client: Client, asked: Asked, jkt: str | None, _: Origin) -> TokenSet:
        if client.is_public:
            raise UnauthorizedClient("a public client has no credentials of its own")
        granted = scopes.allowed(client, scopes.parse(asked.scope)) or scopes.default(client)
        meant = resources.allowed(asked.resource, client.audiences)
        ttl = self._lifetimes.access_of(client)
        token = await self._mint.service_token(
            client.client_id,
            client.number,
            granted,
            tuple(client.audiences) if meant is None else meant,
            ttl,
            dpop_jkt=jkt,
            at_jwt=client.token_format == "at+jwt",  # noqa: S105 - a media type, not a secret
        )
        return TokenSet(token, "DPoP" if jkt else "Bearer", ttl, " ".join(granted))

    async def _refresh(self, client: Client, asked: Asked, jkt: str | None, origin: Origin) -> TokenSet:
        opened = await self._refreshing(
            client, asked.refresh_token, origin, scope=asked.scope, resource=asked.resource, jkt=jkt
        )
        return await self._grants.tokens(opened)

    async def _code(self, client: Client, asked: Asked, jkt: str | None, origin: Origin) -> TokenSet:
        """RFC 6749 §4.1.3. A code that comes a second time ends what it gave the first time (§10.5)."""
        meant = resources.allowed(asked.resource, client.audiences)
        opened = await self._redeeming(
            client, asked.code, origin, redirect_uri=asked.redirect_uri, code_verifier=asked.code_verifier, jkt=jkt
        )
        if opened is None:
            async with self._db.transaction() as tx:
                ended = await self._redeeming.end(tx, asked.code, client, origin, self._clock.now())
            await self._marks.mark(*ended)
            raise InvalidGrant
        return await self._grants.tokens(_narrowed(opened, meant))

    async def _device(self, client: Client, asked: Asked, jkt: str | None, origin: Origin) -> TokenSet:
        """RFC 8628 §3.4."""
        hashed = token_hash(asked.device_code)
        opened: Opened | None = None
        async with self._db.transaction() as tx:
            code = await device_codes.take(tx, hashed, client.id, self._clock.now())
            waiting = None if code else await device_codes.ask(tx, hashed, client.id, self._clock.now())
            if code is not None:
                opened = await self._open_device(tx, client, code, jkt, origin)
        if code is None:
            raise self._told(waiting)
        if opened is None:
            raise InvalidGrant
        return await self._grants.tokens(opened)

    async def _open_device(
        self, tx: Executor, client: Client, code: DeviceCode, jkt: str | None, origin: Origin
    ) -> Opened | None:
        if code.user_id is None or code.auth_time is None or code.token_version is None:
            return None
        opening = Opening(
            client,
            code.user_id,
            code.token_version,
            code.amr or [],
            code.auth_time,
            tuple(code.scopes),
            None if code.audiences is None else tuple(code.audiences),
            dpop_jkt=jkt,
            via="device_code",
        )
        return await self._grants.open(tx, opening, origin)

    def _told(self, waiting: tuple[DeviceCode, bool] | None) -> Exception:
        """What a device is told whose code is not approved."""
        if waiting is None or waiting[0].state == "used":
            return InvalidGrant()
        code, early = waiting
        if code.expires_at <= self._clock.now():
            return ExpiredToken()
        if code.state == "denied":
            return AccessDenied()
        return SlowDown() if early else AuthorizationPending()


def _narrowed(opened: Opened, meant: tuple[str, ...] | None) -> Opened:
    """The grant with an access token for fewer resources than were granted.

    Raises:
        InvalidGrant: one of them was not granted.
    """
    if meant is None:
        return opened
    if not set(meant) <= set(opened.grant.audiences):
        raise InvalidGrant("a resource is not among those of the code")
    return replace(opened, grant=replace(opened.grant, audiences=meant))
