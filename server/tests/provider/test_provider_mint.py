"""Tokens in every algorithm that a deployment may sign with: one key for both, and an ID token that names its twin."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from provider.applications import claims_of

from identry.core import jose
from identry.core.clock import MovableClock
from identry.core.ids import uuid7
from identry.tokens import ProviderGrant, ProviderMint, session_of_jti
from identry_kit.jwtauth import Key, StaticKeys, Verifier


@pytest.mark.parametrize(("alg", "digest"), [("RS256", "sha256"), ("ES256", "sha256"), ("EdDSA", "sha512")])
async def test_both_tokens_verify_and_belong_together(alg: Any, digest: str) -> None:
    clock, key = MovableClock(), jose.generate(alg)
    mint = ProviderMint(lambda: key, issuer="https://auth.example.com", clock=clock)
    grant = ProviderGrant(
        session_id=uuid7(clock),
        user_id=uuid7(clock),
        user_number=42,
        client_id="web",
        audiences=(),
        scopes=("openid",),
        role="user",
        roles=("user",),
        app_roles={},
        amr=("pwd",),
        auth_time=clock.now(),
        token_version=1,
        extra={"sub": "somebody else", "scope": "everything"},
    )
    access = await mint.access_token(grant, 900)
    identity = claims_of(await mint.id_token(grant, access, {"sub": "somebody else"}, 900, "n-1"))
    verifier = Verifier(
        StaticKeys([Key.from_jwk(key.jwk)]),
        issuer="https://auth.example.com",
        audience="web",
        algorithms=[alg],
        clock=clock.timestamp,
    )
    claims = await verifier.verify(access)
    assert (claims.sub, claims["scope"], identity["sub"]) == ("42", "openid", "42"), (
        "nothing shadows what is registered"
    )
    half = hashlib.new(digest, access.encode()).digest()
    assert identity["at_hash"] == base64.urlsafe_b64encode(half[: len(half) // 2]).rstrip(b"=").decode()
    assert session_of_jti(claims["jti"]) == session_of_jti(identity["jti"]) == grant.session_id
    for nobodys in (None, 7, "", "=" * 32, "A" * 31, "é" * 32):
        assert session_of_jti(nobodys) is None
