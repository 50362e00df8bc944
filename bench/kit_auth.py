"""What knowing the caller costs: `python -m bench.kit_auth`, all of it in one process, in µs.

Verification beside the bare RSA-2048 verification of `cryptography` and beside other libraries (those that are
installed), a route with `CurrentUser` beside the same route without. The variants take turns and the best round of each
counts, so that a busy neighbour spoils none of them.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Annotated, Any

import uvloop
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from identry_kit.apierror import ASGIApp, Message, Receive, Scope, Send
from identry_kit.httpware import standard_stack
from identry_kit.jwtauth import JWTAuth, Key, StaticKeys, Verifier
from identry_kit.jwtauth.compact import split
from identry_kit.jwtauth.fastapi import CurrentUser, install
from identry_kit.testing import Issuer

ROUNDS = 150
TOKENS = 50
issuer = Issuer()
KEYS = StaticKeys([Key.from_pem(issuer.key.public_pem, issuer.key.kid)])


def _verifier(**options: Any) -> Verifier:
    return Verifier(KEYS, issuer=issuer.issuer, audience=issuer.audience, clock=issuer.clock, **options)


def _raw() -> Callable[[str], object]:
    public: Any = load_pem_public_key(issuer.key.public_pem.encode())
    cut = {token: split(token) for token in tokens}
    scheme, digest = PKCS1v15(), SHA256()

    def verify(token: str) -> object:
        parts = cut[token]
        return public.verify(parts.signature, parts.signing_input, scheme, digest)

    return verify


def _pyjwt(module: Any) -> Callable[[str], object]:
    key = module.PyJWK(issuer.key.jwk).key
    return lambda token: module.decode(token, key, algorithms=["RS256"], audience=issuer.audience, issuer=issuer.issuer)


def _joserfc(module: Any) -> Callable[[str], object]:
    from joserfc.jwk import RSAKey

    key = RSAKey.import_key(issuer.key.jwk)
    names = {name: {"essential": True, "value": value} for name, value in _names().items()}
    registry = module.JWTClaimsRegistry(now=int(issuer.clock()), **names)

    def verify(token: str) -> object:
        found = module.decode(token, key, algorithms=["RS256"])
        registry.validate(found.claims)
        return found

    return verify


def _authlib(module: Any) -> Callable[[str], object]:
    key = importlib.import_module("authlib.jose").JsonWebKey.import_key(issuer.key.jwk)
    jwt = module.JsonWebToken(["RS256"])
    options = {name: {"essential": True, "value": value} for name, value in _names().items()}

    def verify(token: str) -> object:
        claims = jwt.decode(token, key, claims_options=options)
        claims.validate(now=int(issuer.clock()))
        return claims

    return verify


def _python_jose(module: Any) -> Callable[[str], object]:
    key = issuer.key.jwk
    options = {"audience": issuer.audience, "issuer": issuer.issuer}
    return lambda token: module.decode(token, key, algorithms=["RS256"], **options)


def _names() -> dict[str, str]:
    return {"iss": issuer.issuer, "aud": issuer.audience}


OTHERS: dict[str, tuple[str, Callable[[Any], Callable[[str], object]]]] = {
    "PyJWT": ("jwt", _pyjwt),
    "joserfc": ("joserfc.jwt", _joserfc),
    "Authlib": ("authlib.jose", _authlib),
    "python-jose": ("jose.jwt", _python_jose),
}
tokens = [issuer.mint() for _ in range(TOKENS)]


def verification() -> dict[str, float]:
    """µs per token of each way to verify one."""
    warm = _verifier()
    for token in tokens:
        warm.verify_now(token)
    ways: dict[str, Callable[[str], object]] = {
        "raw RSA-2048 verify (cryptography)": _raw(),
        "identry-kit, cold": _verifier(cache_size=0).verify_now,
        "identry-kit, seen": warm.verify_now,
    }
    for name, (module, make) in OTHERS.items():
        try:
            ways[name] = make(importlib.import_module(module))
        except ImportError:
            continue
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, verify in ways.items():
            start = perf_counter()
            for token in tokens:
                verify(token)
            best[name] = min(best[name], (perf_counter() - start) / TOKENS * 1e6)
    return best


def _fastapi() -> tuple[ASGIApp, ASGIApp, ASGIApp]:
    bare, nothing, guarded = FastAPI(), FastAPI(), FastAPI()
    install(guarded, _verifier())

    @bare.get("/hello")
    async def hello() -> Response:
        return Response(b"{}", media_type="application/json")

    @nothing.get("/hello")
    async def hello_nothing(user: Annotated[None, Depends(_nothing)]) -> Response:
        return Response(b"{}" if user is None else b"", media_type="application/json")

    @guarded.get("/hello")
    async def hello_caller(user: CurrentUser) -> Response:
        return Response(b"{}" if user.sub else b"", media_type="application/json")

    return bare, nothing, guarded


async def _nothing() -> None:
    """A dependency that does nothing: what FastAPI asks for having one."""


async def _starlette_hello(_request: Any) -> Response:
    return Response(b"{}", media_type="application/json")


async def requests() -> dict[str, float]:
    """µs per request of each application."""
    bare, nothing, guarded = _fastapi()
    starlette = Starlette(routes=[Route("/hello", _starlette_hello)])
    apps = {
        "FastAPI route": bare,
        "FastAPI route with an empty dependency": nothing,
        "FastAPI route with CurrentUser": guarded,
        "Starlette route": starlette,
        "Starlette route in standard_stack and JWTAuth": standard_stack(
            JWTAuth(starlette, _verifier()), sink=lambda _: None
        ),
    }
    best = dict.fromkeys(apps, float("inf"))
    for _ in range(ROUNDS):
        for name, app in apps.items():
            best[name] = min(best[name], await _round(app))
    return best


async def _round(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> float:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scopes = [_scope(token) for token in tokens]
    gc.collect()
    start = perf_counter()
    for scope in scopes:
        await app(scope, receive, send)
    took = (perf_counter() - start) / TOKENS * 1e6
    statuses = {message["status"] for message in sent if "status" in message}
    if statuses != {200}:
        msg = f"answered {statuses}"
        raise RuntimeError(msg)
    await asyncio.sleep(0)
    return took


def _scope(token: str) -> Scope:
    headers = [(b"host", b"localhost:3097"), (b"accept", b"*/*"), (b"authorization", f"Bearer {token}".encode())]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/hello",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
    }


def main() -> None:
    verified = verification()
    raw = verified["raw RSA-2048 verify (cryptography)"]
    for name, micros in verified.items():
        print(f"{micros:7.2f}  {micros / raw:5.2f}x  {name}")
    served = uvloop.run(requests())
    for name, micros in served.items():
        print(f"{micros:7.2f}          {name}")
    added = served["FastAPI route with CurrentUser"] - served["FastAPI route"]
    print(f"{added:7.2f}          CurrentUser on top of the bare FastAPI route (limit 25)")


if __name__ == "__main__":
    main()
