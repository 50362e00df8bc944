"""Access, ID and logout tokens of the provider (contracts/provider-api.md §8)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from identry.core.base64url import decoded, encoded
from identry.core.clock import Clock
from identry.core.ids import uuid7
from identry.tokens.signing import Signer, Signing


@dataclass(frozen=True, slots=True)
class ProviderGrant:
    """What a user's grant to an application comes to in tokens (contracts/provider-api.md §8).

    Attributes:
        session_id: the grant's session; hidden in each token's `jti`.
        user_id, user_number: whose; `sub` is the number.
        client_id: the application, first of `aud`.
        audiences: further resource servers.
        scopes: as granted.
        role: the user's in this application.
        roles: platform-wide role and that one.
        app_roles: `client_id` → role, of every application.
        amr, auth_time, token_version: as in `Grant`.
        extra: claims that the client's settings add (tenant, plan, mapped, profile); they shadow none of the above.
        dpop_jkt: thumbprint of the key that the tokens are bound to (RFC 9449).
        at_jwt: whether the header says `at+jwt` (RFC 9068).
    """

    session_id: UUID
    user_id: UUID
    user_number: int
    client_id: str
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    role: str
    roles: tuple[str, ...]
    app_roles: Mapping[str, str]
    amr: tuple[str, ...]
    auth_time: datetime
    token_version: int
    extra: Mapping[str, Any]
    dpop_jkt: str | None = None
    at_jwt: bool = False


_LOGOUT_TOKEN_TTL = 120


class ProviderMint:
    """Signs the tokens of the provider surface.

    Args:
        signer: gives the key that signs now.
        issuer: `OAUTH_ISSUER`.
        clock: the time.
    """

    def __init__(self, signer: Callable[[], Signer], *, issuer: str, clock: Clock) -> None:
        self._signed = Signing(signer)
        self._issuer = issuer
        self._clock = clock

    def service_token(
        self,
        client_id: str,
        number: int,
        scopes: tuple[str, ...],
        audiences: tuple[str, ...],
        ttl: int,
        *,
        dpop_jkt: str | None = None,
        at_jwt: bool = False,
    ) -> Awaitable[str]:
        """An access token of the application itself (`sub` is `app:{number}`), for `ttl` seconds."""
        claims: dict[str, Any] = {
            **self._times(ttl),
            "aud": [client_id, *audiences],
            "sub": f"app:{number}",
            "type": "access",
            "scope": " ".join(scopes),
            "jti": encoded(secrets.token_bytes(24)),  # of no session
        }
        return self._sign(claims, client_id, dpop_jkt=dpop_jkt, at_jwt=at_jwt)

    def access_token(self, grant: ProviderGrant, ttl: int) -> Awaitable[str]:
        """A user's access token for an application, for `ttl` seconds."""
        claims: dict[str, Any] = {
            **grant.extra,
            **self._times(ttl),
            "aud": [grant.client_id, *grant.audiences],
            "sub": str(grant.user_number),
            "type": "access",
            "scope": " ".join(grant.scopes),
            "role": grant.role,
            "roles": list(grant.roles),
            "app_roles": dict(grant.app_roles),
            "token_version": grant.token_version,
            "auth_time": int(grant.auth_time.timestamp()),
            "amr": list(grant.amr),
            "acr": acr_of(grant.amr),
            "jti": _provider_jti(grant.session_id),
        }
        return self._sign(claims, grant.client_id, dpop_jkt=grant.dpop_jkt, at_jwt=grant.at_jwt)

    def id_token(
        self, grant: ProviderGrant, access_token: str, profile: Mapping[str, Any], ttl: int, nonce: str | None = None
    ) -> Awaitable[str]:
        """An ID token (OpenID Connect Core §2) beside an access token; `profile` holds what the scopes let through."""
        signer = self._signed.signer()
        claims: dict[str, Any] = {
            **profile,
            **self._times(ttl),
            "aud": [grant.client_id],
            "sub": str(grant.user_number),
            "type": "id_token",
            "role": grant.role,
            "app_roles": dict(grant.app_roles),
            "auth_time": int(grant.auth_time.timestamp()),
            "amr": list(grant.amr),
            "acr": acr_of(grant.amr),
            "at_hash": _at_hash(access_token, signer.alg),
            "jti": _provider_jti(grant.session_id),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        return self._signed(claims, signer=signer)

    def logout_token(self, user_number: int, client_id: str, session_id: UUID) -> Awaitable[str]:
        """What a client is told when a grant ended (OpenID Connect Back-Channel Logout §2.4); good for two minutes."""
        claims: dict[str, Any] = {
            **self._times(_LOGOUT_TOKEN_TTL),
            "aud": [client_id],
            "sub": str(user_number),
            "sid": str(session_id),
            "jti": str(uuid7(self._clock)),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        del claims["nbf"]
        return self._signed(claims, "logout+jwt")

    def _times(self, ttl: int) -> dict[str, Any]:
        now = int(self._clock.timestamp())
        return {"iss": self._issuer, "iat": now, "nbf": now, "exp": now + ttl}

    def _sign(self, claims: dict[str, Any], client_id: str, *, dpop_jkt: str | None, at_jwt: bool) -> Awaitable[str]:
        if dpop_jkt is not None:
            claims["cnf"] = {"jkt": dpop_jkt}
        if at_jwt:
            claims["client_id"] = client_id  # RFC 9068 §2.2
        return self._signed(claims, "at+jwt" if at_jwt else "JWT")


def acr_of(amr: Iterable[str]) -> str:
    """The authentication context of a sign-in: `mfa` or `pwd` (contracts/provider-api.md §8)."""
    return "mfa" if "mfa" in amr else "pwd"


def _at_hash(access_token: str, alg: str) -> str:
    """OpenID Connect Core §3.1.3.6: the left half of the hash that the signature is made of (Ed25519: SHA-512)."""
    digest = (hashlib.sha512 if alg == "EdDSA" else hashlib.sha256)(access_token.encode()).digest()
    return encoded(digest[: len(digest) // 2])


def _provider_jti(session_id: UUID) -> str:
    """A token's id that says whose session it is to us, and nothing to others (the claims are exact: no `sid`)."""
    return encoded(session_id.bytes + secrets.token_bytes(8))


def session_of_jti(jti: object) -> UUID | None:
    """The session in the `jti` of a verified provider token; None: it is not one of ours."""
    if not isinstance(jti, str) or len(jti) != 32:
        return None
    try:
        return UUID(bytes=decoded(jti)[:16])
    except ValueError:
        return None
