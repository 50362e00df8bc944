"""Keys of clients and devices in tests: DPoP proofs (RFC 9449) and client assertions (RFC 7523).

No code is shared with the provider: keys and signatures are joserfc's, the segments are written here, so that anything
at all can be signed.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from typing import Any

from harness import Harness
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def encoded(value: Any) -> str:
    """A segment of a JWS: bytes as they are, anything else as JSON."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def sha256(text: str) -> str:
    """Base64url of the SHA-256: `ath`, `code_challenge`."""
    return encoded(hashlib.sha256(text.encode()).digest())


class Holder:
    """Who holds a private key.

    Attributes:
        public: the public half, as a proof carries it.
        jkt: its thumbprint (RFC 7638).
    """

    def __init__(self, alg: str = "ES256") -> None:
        self.alg = alg
        self._key: Any = {
            "ES256": lambda: ECKey.generate_key("P-256"),
            "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
            "RS256": lambda: RSAKey.generate_key(2048),
        }[alg]()
        self._signer = JWSRegistry.algorithms[alg]
        self.public: dict[str, Any] = self._key.as_dict(private=False)
        self.jkt: str = self._key.thumbprint()

    @property
    def jwks(self) -> str:
        """As a client registers it."""
        return json.dumps({"keys": [{**self.public, "use": "sig", "alg": self.alg, "kid": "k-1"}]})

    def jws(self, header: dict[str, Any], claims: Any) -> str:
        """Anything at all, signed."""
        signing_input = f"{encoded(header)}.{encoded(claims)}"
        return f"{signing_input}.{encoded(self._signer.sign(signing_input.encode(), self._key))}"

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
        htu = app.env["OAUTH_ISSUER"] + path
        body = {"jti": secrets.token_urlsafe(9), "htm": method, "htu": htu, "iat": int(app.clock.timestamp())}
        if token is not None:
            body["ath"] = sha256(token)
        body |= claims
        return self.jws(head, {name: value for name, value in body.items() if value is not None})

    def assertion(self, app: Harness, client_id: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A client assertion; `header` and `claims` replace its members (None takes one away)."""
        now = int(app.clock.timestamp())
        body = {"iss": client_id, "sub": client_id, "aud": app.env["OAUTH_ISSUER"], "exp": now + 60, "iat": now}
        body |= {"jti": secrets.token_urlsafe(9), **claims}
        head = {"alg": self.alg, "kid": "k-1", "typ": "JWT", **(header or {})}
        return self.jws(head, {name: value for name, value in body.items() if value is not None})
