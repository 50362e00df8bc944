"""A signer that can also sign what nobody should, and verifiers for it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from identry_kit.httpware import standard_stack
from identry_kit.jwtauth import InvalidToken, JWKSCache, JWTAuth, Key, StaticKeys, Verifier

ISSUER = "https://auth.example.com"
AUDIENCE = "orders"
NOW = 1_800_000_000


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


class Signer:
    """Key pairs made once, and tokens of any shape signed with them."""

    b64 = staticmethod(b64)

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(65537, 2048)
        self.other_rsa = rsa.generate_private_key(65537, 2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.ed = ed25519.Ed25519PrivateKey.generate()

    def sign(self, alg: str, message: bytes, key: Any = None) -> bytes:
        if alg == "RS256":
            return (key or self.rsa).sign(message, padding.PKCS1v15(), SHA256())
        if alg == "ES256":
            r, s = decode_dss_signature((key or self.ec).sign(message, ec.ECDSA(SHA256())))
            return r.to_bytes(32) + s.to_bytes(32)
        return (key or self.ed).sign(message)

    def raw(self, header: str | bytes, payload: str | bytes, alg: str = "RS256", key: Any = None) -> str:
        """A token over these very bytes, correctly signed."""
        signing_input = f"{b64(header)}.{b64(payload)}"
        return f"{signing_input}.{b64(self.sign(alg, signing_input.encode(), key))}"

    def mint(self, header: dict[str, Any] | None = None, alg: str = "RS256", key: Any = None, /, **claims: Any) -> str:
        """A good token, with `claims` and `header` laid over the good ones; a value of `...` leaves that one out."""
        return self.raw(json.dumps(self.header(alg, **(header or {}))), json.dumps(self.claims(**claims)), alg, key)

    @staticmethod
    def header(alg: str = "RS256", /, **more: Any) -> dict[str, Any]:
        header = {"alg": alg, "kid": alg.lower(), "typ": "JWT"} | more
        return {name: value for name, value in header.items() if value is not ...}

    @staticmethod
    def claims(**more: Any) -> dict[str, Any]:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "42",
            "type": "access",
            "iat": NOW,
            "nbf": NOW,
            "exp": NOW + 900,
            "jti": "token-1",
            **more,
        }
        return {name: value for name, value in claims.items() if value is not ...}

    @staticmethod
    def jwk(private: Any, kid: str, /, **more: Any) -> dict[str, Any]:
        """The published form of an RSA key, with `more` laid over it."""
        numbers = private.public_key().public_numbers()
        jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": b64(numbers.n.to_bytes(256)), "e": "AQAB"}
        return {name: value for name, value in (jwk | more).items() if value is not ...}

    def all_keys(self) -> list[Key]:
        return [
            Key.of(self.rsa.public_key(), "rs256"),
            Key.of(self.ec.public_key(), "es256"),
            Key.of(self.ed.public_key(), "eddsa"),
        ]


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer()


@pytest.fixture
def make_verifier(signer: Signer, clock: Any) -> Callable[..., Verifier]:
    """`make_verifier(**options)`: a verifier of the signer's RS256, ES256 and EdDSA keys, at NOW."""
    clock.now = NOW

    def make(**options: Any) -> Verifier:
        keys = options.pop("keys", None) or StaticKeys(signer.all_keys())
        return Verifier(keys, **{"issuer": ISSUER, "audience": AUDIENCE, "clock": clock, **options})

    return make


@pytest.fixture
def verifier(make_verifier: Callable[..., Verifier]) -> Verifier:
    return make_verifier()


@pytest.fixture
def refuses(
    make_verifier: Callable[..., Verifier], call: Any, caplog: pytest.LogCaptureFixture
) -> Callable[[list[tuple[str, Any]]], Awaitable[None]]:
    """`await refuses([(name, token), …])`: each is an InvalidToken, at once and awaited; through the middleware a 401
    with a challenge; and neither errors, answers nor log lines tell anything of it.
    """
    verifier = make_verifier(algorithms=("RS256", "ES256", "EdDSA"))

    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("reached the application")

    app = standard_stack(JWTAuth(never, verifier))

    async def http_fault(token: str) -> str:
        sent = token.encode("utf-8", "replace").decode("latin-1")
        answer = await call(app, headers=[("Authorization", f"Bearer {sent}")])
        if answer.status != 401 or not answer.headers.get("www-authenticate", "").startswith("Bearer"):
            return f"answered {answer.status} {answer.headers}"
        if json.loads(answer.body)["error"]["code"] != "unauthorized":
            return f"answered {answer.body!r}"
        return "the token is in the answer" if len(token) > 40 and token[20:40] in f"{answer.messages}" else ""

    def in_log(token: str) -> bool:
        return any(part[8:40] in caplog.text for part in token.split(".") if len(part) > 40)

    async def fault(token: Any, *, wait: bool) -> str:
        try:
            claims = await verifier.verify(token) if wait else verifier.verify_now(token)
        except InvalidToken as error:
            shown = f"{error} {error!r} {error.json().decode()}"
            if isinstance(token, str) and len(token) > 40 and token[20:40] in shown:
                return "the token is in the error"
            return "" if error.__context__ is None else f"the error drags {error.__context__!r} along"
        except Exception as error:  # the very thing that must not happen
            return f"{error!r:.200}"
        return f"accepted as {claims!r}"

    async def check(rows: list[tuple[str, Any]]) -> None:
        texts = [(name, token) for name, token in rows if isinstance(token, str)]
        with caplog.at_level(logging.DEBUG):
            faults: dict[Any, str] = {}
            for wait in (False, True):
                faults |= {(name, wait): await fault(token, wait=wait) for name, token in rows}
            faults |= {(name, "HTTP"): await http_fault(token) for name, token in texts}
        wrong = {name: text for name, text in faults.items() if text}
        assert not wrong
        assert len(caplog.records) == len(texts), "one line per request"
        assert max(map(len, caplog.text.splitlines())) < 2048
        assert not [name for name, token in texts if in_log(token)]

    return check


class Issuer:
    """A JWKS endpoint. `recipe` decides what the next requests get; `requests` counts them."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.recipe = "good"
        self.requests = 0
        self.paths: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            self.paths.append(request.split(b" ")[1].decode())
            await self.gate.wait()
            await self.answer(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"keys": self.keys}).encode()
        match self.recipe:
            case "good":
                writer.write(self.response(body))
            case "500":
                writer.write(self.response(b"oops", "500 Internal Server Error"))
            case "404":
                writer.write(self.response(b"{}", "404 Not Found"))
            case "redirect":
                writer.write(self.response(b"", "302 Found", f"Location: {self.url}?moved=1\r\n"))
            case "permanent redirect":
                writer.write(self.response(body, "308 Permanent Redirect", f"Location: {self.url}?moved=1\r\n"))
            case "not JSON":
                writer.write(self.response(b"<html>maintenance</html>"))
            case "not a set":
                writer.write(self.response(b'{"keys": {"kty": "RSA"}}'))
            case "deep":
                writer.write(self.response(b"[" * 100_000))
            case "no keys":
                writer.write(self.response(b'{"keys": []}'))
            case "no usable key":
                writer.write(self.response(b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}, 7, null]}'))
            case "empty":
                writer.write(self.response(b""))
            case "too large":
                writer.write(self.response(b" " * (1 << 20) + body))
            case "endless":
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                for _ in range(400):
                    writer.write(b" " * 65536)
                    await writer.drain()
            case "compressed":
                writer.write(self.response(gzip.compress(body), extra="Content-Encoding: gzip\r\n"))
            case "cut off":
                writer.write(self.response(body)[:-20])
            case "reset":
                writer.transport.abort()
            case "garbage":
                writer.write(b"\0\1\2 not HTTP at all\r\n\r\n")
            case "silence":
                await asyncio.sleep(1)
            case "drip":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                for _ in range(100):
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.01)

    @staticmethod
    def response(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
        return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}Connection: close\r\n\r\n".encode() + body


@pytest.fixture
async def issuer(signer: Any) -> AsyncIterator[Issuer]:
    issuer = Issuer()
    issuer.keys = [signer.jwk(signer.rsa, "rs256")]
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/.well-known/jwks.json"
    yield issuer
    issuer.gate.set()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def cache(issuer: Issuer, clock: Any) -> AsyncIterator[JWKSCache]:
    cache = JWKSCache(issuer.url, clock=clock)
    yield cache
    await cache.aclose()
