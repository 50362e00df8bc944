"""Keys that clients hold, and what they sign with them: client assertions (RFC 7523), DPoP proofs (RFC 9449)."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from typing import Any

from harness import Harness
from joserfc import jws, jwt
from joserfc.jwk import ECKey

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def new_key() -> ECKey:
    """A key pair for ES256."""
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)


def assertion(app: Harness, client_id: str, key: ECKey, **claims: Any) -> dict[str, str]:
    """The fields by which a client proves itself with its key; `claims` replace those of the assertion."""
    now = int(app.clock.now().timestamp())
    told = {
        "iss": client_id,
        "sub": client_id,
        "aud": app.env["OAUTH_ISSUER"],
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + 60,
        **claims,
    }
    header = {"alg": "ES256", "kid": key.kid}
    return {"client_assertion_type": ASSERTION, "client_assertion": jwt.encode(header, told, key, algorithms=["ES256"])}


def dpop(app: Harness, key: ECKey, method: str, path: str, access_token: str = "", **claims: Any) -> str:
    """A proof that the sender of a request holds the key; `claims` replace its own, or go with None."""
    told = {
        "jti": secrets.token_urlsafe(16),
        "htm": method,
        "htu": app.env["OAUTH_ISSUER"] + path,
        "iat": int(app.clock.now().timestamp()),
        **({"ath": sha256(access_token)} if access_token else {}),
        **claims,
    }
    public = {name: key.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public}
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    body = {name: value for name, value in told.items() if value is not None}
    return jwt.encode(header, body, key, registry=registry)


def thumbprint(key: ECKey) -> str:
    """RFC 7638."""
    return key.thumbprint()


def sha256(text: str) -> str:
    """Base64url of the SHA-256."""
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
