"""What OAuth 2.0 and OpenID Connect ask of a client, done by Authlib and joserfc: the one place that imports them.

PKCE, the authorization request, the token request with its client authentication, the signature and the claims of an
ID token. Libraries let any exception out at what a stranger wrote; what leaves here is a refusal (SECURITY §1.5).

They are loaded when the first browser leaves (`load`, behind `core.late.Late`): up to a fifth of a second, and 8 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from identry.federation.provider import ClientAuthentication, ClientSecret

SCOPE = "openid profile email"
ALGORITHM = "RS256"
"""Of ID tokens: what every provider has to offer (OpenID Connect Discovery 1.0 §3)."""


class TokenRefused(Exception):
    """The ID token proves nothing; the text says why in a few words of our own."""


def load() -> None:
    """Import what the functions here need."""
    import authlib.oauth2.client
    import authlib.oidc.core  # noqa: F401 - whoever imports it later finds it loaded
    import joserfc.jws  # noqa: F401 - whoever imports it later finds it loaded


def authorization_url(
    endpoint: str, client_id: str, redirect_uri: str, *, state: str, nonce: str, verifier: str, **more: str
) -> str:
    """Where the browser asks for a code (OpenID Connect Core §3.1.2.1), with the challenge of `verifier` (RFC 7636).

    `endpoint` is one that `discovery` took, or of our own making: a library raises ValueError at what is no URL.
    """
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    url: str = prepare_grant_uri(
        endpoint,
        client_id,
        "code",
        redirect_uri,
        SCOPE,
        state,
        response_mode="query",
        nonce=nonce,
        code_challenge=create_s256_code_challenge(verifier),
        code_challenge_method="S256",
        **more,
    )
    return url


def token_request(
    code: str, verifier: str, redirect_uri: str, how: ClientAuthentication, client_id: str, secret: ClientSecret
) -> tuple[dict[str, str], str | None]:
    """What redeems a code (RFC 6749 §4.1.3): the form, and the `Authorization` header if that shows the secret."""
    from authlib.oauth2.auth import ClientAuth
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    name, shown = client_id, secret.reveal()
    if how == "client_secret_basic":  # each form-encoded first (§2.3.1), which the library leaves to whoever calls it
        name, shown = quote_plus(name), quote_plus(shown)
    form = prepare_token_request("authorization_code", redirect_uri=redirect_uri, code=code, code_verifier=verifier)
    _, headers, form = ClientAuth(name, shown, how).prepare("POST", "", {}, form)
    return dict(parse_qsl(form, keep_blank_values=True)), headers.get("Authorization")


def check_signature(id_token: str, key: RSAPublicKey) -> None:
    """The key's owner signed an ID token, which was read strictly before: joserfc takes names that come twice.

    Raises:
        TokenRefused: somebody else did.
    """
    from joserfc.jwk import RSAKey
    from joserfc.jws import JWSRegistry, deserialize_compact

    # Members of a header that nobody knows are passed over (RFC 7515 §4); how long a token may be was asked before.
    registry = JWSRegistry(algorithms=[ALGORITHM], strict_check_header=False)
    registry.max_header_length = len(id_token)
    try:
        deserialize_compact(id_token, RSAKey.import_key(key), registry=registry)
    except Exception:
        raise TokenRefused("signature") from None


def check_claims(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str | None,
    now: float,
    leeway: float,
) -> None:
    """The claims are an ID token's for this client and this sign-in (OpenID Connect Core §3.1.3.7).

    Args:
        claims: as they were read.
        issuer: what `iss` has to be.
        client_id: what `aud` has to name, and `azp` to be.
        nonce: of the request that the token answers.
        access_token: that came along, for `at_hash`; None: none did.
        now: seconds since the epoch.
        leeway: seconds that clocks may differ.

    Raises:
        TokenRefused: they are not.
    """
    from authlib.oidc.core import CodeIDToken

    expected = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
    sent = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    try:
        CodeIDToken(claims, {"alg": ALGORITHM}, expected, sent).validate(now, leeway)
    except Exception as error:
        raise TokenRefused(getattr(error, "claim", "") or "unreadable claim") from None
