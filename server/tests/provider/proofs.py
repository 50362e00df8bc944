"""Keys of clients and devices in tests: DPoP proofs (RFC 9449) and client assertions (RFC 7523)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

from harness import Harness
from provider.applications import App

from identry.core import jose

ISSUER = "https://auth.example.com"


def encoded(value: Any) -> str:
    """A segment of a JWS."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Holder:
    """Who holds a private key."""

    def __init__(self, alg: jose.Algorithm = "ES256") -> None:
        self.key = jose.generate(alg, "k-1")
        public = {name: value for name, value in self.key.jwk.items() if name not in {"use", "alg", "kid"}}
        self.public: dict[str, Any] = public
        self.jkt = jose.thumbprint(self.key.jwk)

    def jws(self, header: dict[str, Any], claims: Any) -> str:
        """Anything at all, signed."""
        signing_input = f"{encoded(header)}.{encoded(claims)}"
        return f"{signing_input}.{encoded(self.key._signature(signing_input.encode()))}"

    def proof(
        self,
        app: Harness,
        path: str = "/oauth/token",
        method: str = "POST",
        *,
        token: str | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A DPoP proof of a request; `header` and `claims` replace its members (None takes one away)."""
        head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.public, **(header or {})}
        body = {"jti": secrets.token_urlsafe(9), "htm": method, "htu": ISSUER + path, "iat": int(app.clock.timestamp())}
        if token is not None:
            body["ath"] = encoded(hashlib.sha256(token.encode()).digest())
        body |= claims
        return self.jws(head, {name: value for name, value in body.items() if value is not None})

    def assertion(self, app: Harness, made: App, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A client assertion; `header` and `claims` replace its members (None takes one away)."""
        now = int(app.clock.timestamp())
        name = made.client.client_id
        body = {"iss": name, "sub": name, "aud": ISSUER, "jti": secrets.token_urlsafe(9), "exp": now + 60, "iat": now}
        body |= claims
        head = {"alg": self.key.alg, "kid": "k-1", "typ": "JWT", **(header or {})}
        return self.jws(head, {name: value for name, value in body.items() if value is not None})

    @property
    def jwks(self) -> str:
        """As a client registers it."""
        return json.dumps({"keys": [self.key.jwk]})
