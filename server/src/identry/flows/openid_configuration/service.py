"""The two documents: made of what is mounted and of the keys that sign, so they claim nothing that is not served."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from identry.oauth import pkce, scopes
from identry.oauth.authorization import ACR_VALUES, PROMPTS, RESPONSE_MODES
from identry.oauth.dpop import ALGORITHMS as DPOP_ALGORITHMS

_ENDPOINTS = {
    "authorization_endpoint": "/oauth/authorize",
    "token_endpoint": "/oauth/token",
    "userinfo_endpoint": "/oauth/userinfo",
    "introspection_endpoint": "/oauth/introspect",
    "revocation_endpoint": "/oauth/revoke",
    "end_session_endpoint": "/oauth/logout",
    "pushed_authorization_request_endpoint": "/oauth/par",
    "device_authorization_endpoint": "/oauth/device_authorization",
    "registration_endpoint": "/oauth/register",
    "jwks_uri": "/.well-known/jwks.json",
}
_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_SECRET = ["client_secret_basic", "client_secret_post"]
_ASSERTION = "private_key_jwt"
_ASSERTION_ALGORITHMS = ["RS256", "ES256", "EdDSA"]
_CLAIMS = [
    *("sub", "iss", "aud", "exp", "iat", "nbf", "email", "email_verified", "name", "preferred_username", "picture"),
    *("role", "app_roles", "token_version", "auth_time", "acr", "amr", "act", "cnf"),
]


class Configuration(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the provider can do (OpenID Connect Discovery §3, RFC 8414 §2); endpoints that are not served are absent."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    response_types_supported: list[str]
    response_modes_supported: list[str]
    grant_types_supported: list[str]
    subject_types_supported: list[str]
    id_token_signing_alg_values_supported: list[str]
    scopes_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    code_challenge_methods_supported: list[str]
    prompt_values_supported: list[str]
    acr_values_supported: list[str]
    claims_supported: list[str]
    claim_types_supported: list[str]
    dpop_signing_alg_values_supported: list[str]
    ui_locales_supported: list[str]
    authorization_response_iss_parameter_supported: bool
    backchannel_logout_supported: bool
    backchannel_logout_session_supported: bool
    claims_parameter_supported: bool | msgspec.UnsetType = msgspec.UNSET
    request_parameter_supported: bool | msgspec.UnsetType = msgspec.UNSET
    request_uri_parameter_supported: bool | msgspec.UnsetType = msgspec.UNSET
    require_pushed_authorization_requests: bool | msgspec.UnsetType = msgspec.UNSET
    userinfo_endpoint: str = ""
    introspection_endpoint: str = ""
    introspection_endpoint_auth_methods_supported: list[str] = []
    revocation_endpoint: str = ""
    revocation_endpoint_auth_methods_supported: list[str] = []
    end_session_endpoint: str = ""
    pushed_authorization_request_endpoint: str = ""
    device_authorization_endpoint: str = ""
    registration_endpoint: str = ""


def configuration(
    issuer: str, paths: Collection[str], algorithms: Iterable[str], languages: Iterable[str]
) -> Configuration:
    """What is served.

    Args:
        issuer: `OAUTH_ISSUER`.
        paths: every path that is mounted.
        algorithms: of the keys that are published, the one that signs first.
        languages: of the pages.
    """
    proofs = [*_SECRET, _ASSERTION]
    served = {name: issuer.rstrip("/") + path for name, path in _ENDPOINTS.items() if path in paths}
    device = [_DEVICE_CODE] if "device_authorization_endpoint" in served else []
    return Configuration(
        issuer=issuer,
        response_types_supported=["code"],
        response_modes_supported=list(RESPONSE_MODES),
        grant_types_supported=["authorization_code", "refresh_token", "client_credentials", *device],
        subject_types_supported=["public"],
        id_token_signing_alg_values_supported=list(dict.fromkeys(algorithms)),
        scopes_supported=list(scopes.SUPPORTED),
        token_endpoint_auth_methods_supported=[*proofs, "none"],
        token_endpoint_auth_signing_alg_values_supported=_ASSERTION_ALGORITHMS,
        code_challenge_methods_supported=[pkce.METHOD],
        prompt_values_supported=list(PROMPTS),
        acr_values_supported=list(ACR_VALUES),
        claims_supported=_CLAIMS,
        claim_types_supported=["normal"],
        dpop_signing_alg_values_supported=list(DPOP_ALGORITHMS),
        ui_locales_supported=list(languages),
        authorization_response_iss_parameter_supported=True,
        backchannel_logout_supported=True,
        backchannel_logout_session_supported=True,
        claims_parameter_supported=True,
        request_parameter_supported=False,
        request_uri_parameter_supported=False,
        require_pushed_authorization_requests=False,
        introspection_endpoint_auth_methods_supported=proofs if "introspection_endpoint" in served else [],
        revocation_endpoint_auth_methods_supported=[*proofs, "none"] if "revocation_endpoint" in served else [],
        **served,
    )
