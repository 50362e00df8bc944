"""From a connection to who is calling: the bearer header, the verified claims, the caller that they describe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import NAMESPACE_DNS, UUID, uuid5

from identry_kit import context
from identry_kit.apierror import Scope
from identry_kit.jwtauth.claims import Claims, strings
from identry_kit.jwtauth.errors import InvalidToken, MissingToken
from identry_kit.jwtauth.verifier import Verifier

_TOKEN68 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
"""What credentials of the scheme Bearer are made of (RFC 6750 §2.1)."""
_KEPT = "identry_kit.caller"


class Authenticator:
    """A verifier and the rules by which its claims become a `context.Caller`; what every guard is made of.

    `tenant_claim` names the claim with the tenant's UUID; a blank name refuses every token. `sub_only` takes the user's
    id from `sub` even when there is a claim `user_id`.
    """

    def __init__(self, verifier: Verifier, *, tenant_claim: str = "tenant_id", sub_only: bool = False) -> None:
        self.verifier = verifier
        self.tenant_claim = tenant_claim
        self.sub_only = sub_only

    def known(self, scope: Scope) -> context.Caller | None:
        """Who made the request `scope`, when nobody need be asked: told before, or the token was seen before.

        None: `caller` tells, and raises what is wrong with a token. Raises MissingToken.
        """
        kept: context.Request | None = scope.get(context.SCOPE)
        proof = scope.get(_KEPT) if kept is None else kept.proof
        credentials = _credentials(scope)
        if proof is None or proof[0] is not self or proof[1] != credentials:  # copies of a scope may differ
            claims = self.verifier.seen(credentials)
            memo = None if claims is None else claims.memo
            if memo is None or memo[0] is not self:
                return None
            proof = self, credentials, memo[1]
            _keep(scope, kept, proof)
        caller: context.Caller = proof[2]
        record = context.current()
        if record is not kept and (record is None or record.in_scope):
            record = kept  # not the one of the request whose handler made this one
        if record is not None:
            record.caller = caller
        return caller

    async def caller(self, scope: Scope) -> context.Caller:
        """Who made the request `scope`, from its bearer token; verified once however often it is asked.

        The caller is also put into the record of `context`, if there is one. Raises MissingToken, InvalidToken, or
        KeysUnavailable (or another ServiceUnavailable, from the revocation hook).
        """
        caller = self.known(scope)
        if caller is None:
            token = bearer_token(scope)
            claims = await self.verifier.verify(token)
            memo = claims.memo
            if memo is None or memo[0] is not self:  # once per verified token, whose claims are given out again
                made = caller_of(claims, token, tenant_claim=self.tenant_claim, sub_only=self.sub_only)
                memo = claims.memo = (self, made)
            _keep(scope, scope.get(context.SCOPE), (self, _credentials(scope), memo[1]))
            caller = self.known(scope)
            assert caller is not None, "it is in the scope now"
        return caller


def _keep(scope: Scope, record: context.Request | None, proof: tuple[object, bytes, context.Caller]) -> None:
    """For the next who asks: who told, by which credentials, and the caller.

    In the request's record, if the scope has one: a scope that grows is dear (0088).
    """
    if record is None:
        scope[_KEPT] = proof
    else:
        record.proof = proof


def has_credentials(scope: Scope) -> bool:
    """Whether the request has an `Authorization` header at all."""
    return any(name == b"authorization" for name, _ in scope["headers"])


def bearer_token(scope: Scope) -> str:
    """The token of the one `Authorization: Bearer <token>` header. Raises MissingToken.

    The scheme's case does not matter (RFC 9110 §11.1), one space does; two headers or a comma list are refused.
    """
    credentials = _credentials(scope)
    token = credentials[7:]
    if credentials[:7].lower() != b"bearer " or not token or token.translate(None, _TOKEN68):
        raise MissingToken
    return token.decode("ascii")


def _credentials(scope: Scope) -> bytes:
    """The one `Authorization` header, not looked at: of a token that was verified once, it is right. Raises
    MissingToken.
    """
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if found is not None:
                raise MissingToken
            found = value
    if found is None:
        raise MissingToken
    return found


def caller_of(
    claims: Claims, token: str = "", *, tenant_claim: str = "tenant_id", sub_only: bool = False
) -> context.Caller:
    """The caller that `claims` describe. Raises InvalidToken `invalid tenant_id` for a tenant that is not a UUID.

    A user id that is not a UUID becomes the UUIDv5 of `socrate:<value>` in the DNS namespace, as the third seed has it.
    """
    roles = claims.get("app_roles")
    return context.Caller(
        tenant_id=_tenant(claims, tenant_claim),
        user_id=_user_id(claims, sub_only=sub_only),
        sub=claims.sub,
        role=claims.text("role") or claims.text("globalRole"),
        email=claims.text("email"),
        name=claims.text("name"),
        plan=claims.text("plan") or context.DEFAULT_PLAN,
        app_roles=roles if isinstance(roles, Mapping) and all(isinstance(r, str) for r in roles.values()) else {},
        token_version=claims.token_version,
        auth_time=claims.auth_time,
        amr=claims.amr,
        audiences=strings(claims.aud),
        scopes=_scopes(claims),
        raw_token=token,
    )


def _tenant(claims: Claims, name: str) -> UUID | None:
    if not name.strip():
        raise InvalidToken("tenant claim not configured", "invalid tenant_id")
    if name not in claims:
        return None
    tenant = _uuid(claims[name])
    if tenant is None:
        raise InvalidToken("tenant", "invalid tenant_id")
    return tenant


def _scopes(claims: Claims) -> frozenset[str]:
    """`scope` as RFC 9068 §2.2.3 has it, a text with spaces; also a list, and under `scp`."""
    value = claims.get("scope", claims.get("scp"))
    return frozenset(value.split()) if isinstance(value, str) else frozenset(strings(value))


def _user_id(claims: Claims, *, sub_only: bool) -> UUID | None:
    if not sub_only and (user := _uuid(claims.get("user_id"))) is not None:
        return user
    if not claims.sub:
        return None
    return _uuid(claims.sub) or uuid5(NAMESPACE_DNS, f"socrate:{claims.sub}")


_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}").fullmatch


def _uuid(value: object) -> UUID | None:
    """A UUID in its usual spelling; `uuid.UUID` alone also takes braces, `urn:uuid:` and missing hyphens."""
    return UUID(value) if isinstance(value, str) and _UUID(value) else None
