"""Verifying tokens: strict reading, a key set that survives outages, verified-token memory, an ASGI middleware.

`Verifier` is what others use; `JWKSCache`, `StaticKeys` or `SharedSecret` give it keys; `JWTAuth` guards an application
with it, `jwtauth.fastapi` and `jwtauth.litestar` guard routes.
Every way in which a token can be wrong is one exception, `InvalidToken` (401); being unable to tell is another,
`KeysUnavailable` (503).

Source: third seed, package `jwtauth`; contracts/kit.md §4; SECURITY §1.6 and §2 rows 1–13.
"""

from identry_kit.jwtauth.caller import Authenticator, bearer_token, caller_of
from identry_kit.jwtauth.claims import ANY_AUDIENCE, AnyAudience, Claims
from identry_kit.jwtauth.errors import InvalidToken, KeysUnavailable, MissingToken
from identry_kit.jwtauth.jwks import JWKSCache
from identry_kit.jwtauth.keys import ALGORITHMS, Key, Keys, PublicKey, StaticKeys
from identry_kit.jwtauth.middleware import JWTAuth
from identry_kit.jwtauth.secret import SharedSecret
from identry_kit.jwtauth.verifier import RevocationHook, Verifier

__all__ = [
    "ALGORITHMS",
    "ANY_AUDIENCE",
    "AnyAudience",
    "Authenticator",
    "Claims",
    "InvalidToken",
    "JWKSCache",
    "JWTAuth",
    "Key",
    "Keys",
    "KeysUnavailable",
    "MissingToken",
    "PublicKey",
    "RevocationHook",
    "SharedSecret",
    "StaticKeys",
    "Verifier",
    "bearer_token",
    "caller_of",
]
