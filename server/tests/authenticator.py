"""An authenticator in software, and a browser around it: it answers as a real one does, or as a forger would.

`Device` makes keys and signatures (WebAuthn Level 3 §6); each argument of `created` and `signed` is one thing that may
be other than it should be.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import cbor2
from browser import API, APP, Browser, settle, tenant
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from harness import Harness, Person

RP_ID = "app.example.com"
AAGUID = UUID("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4")

UP, UV, BE, BS, AT = 1, 4, 8, 16, 64
_RSA = rsa.generate_private_key(65537, 2048)


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def client_data(kind: str, asked: str, **more: Any) -> bytes:
    """What a browser hashes; `more` overrides or adds members."""
    told = {"type": f"webauthn.{kind}", "challenge": asked, "origin": APP, "crossOrigin": False}
    return json.dumps({**told, **more}).encode()


@dataclass
class Device:
    """One key in one device.

    Attributes:
        alg: ES256, EdDSA or RS256.
        synced: whether the key may be copied.
        counts: whether it counts its uses.
    """

    alg: str = "ES256"
    synced: bool = True
    counts: bool = False
    rp_id: str = RP_ID
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes = b""
    count: int = 0

    def __post_init__(self) -> None:
        self.key: Any = {
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
            "RS256": lambda: _RSA,
        }[self.alg]()

    @property
    def cose(self) -> dict[int, Any]:
        """Its public key (RFC 9053)."""
        public = self.key.public_key()
        if self.alg == "EdDSA":
            return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
        numbers = public.public_numbers()
        if self.alg == "RS256":
            return {1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")}
        return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}

    @property
    def flags(self) -> int:
        return UP | UV | (BE | BS if self.synced else 0)

    def data(self, *, flags: int | None = None, count: int | None = None, rp_id: str | None = None) -> bytes:
        """Authenticator data without a key."""
        told = self.flags if flags is None else flags
        number = self.count if count is None else count
        return hashlib.sha256((rp_id or self.rp_id).encode()).digest() + bytes([told]) + number.to_bytes(4, "big")

    def sign(self, message: bytes) -> bytes:
        if self.alg == "EdDSA":
            return self.key.sign(message)
        if self.alg == "RS256":
            return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))

    def created(
        self,
        options: dict[str, Any],
        *,
        data: bytes | None = None,
        flags: int | None = None,
        rp_id: str | None = None,
        cose: Any = None,
        held_id: bytes | None = None,
        attestation: bytes | None = None,
        fmt: str = "none",
        statement: Any = None,
        transports: Any = ("internal", "hybrid"),
    ) -> dict[str, Any]:
        """The credential of `create()`, as `toJSON()` writes it."""
        self.handle = unb64(options["user"]["id"])
        key = cose if isinstance(cose, bytes) else cbor2.dumps(self.cose if cose is None else cose)
        held = self.credential_id if held_id is None else held_id
        attested = AAGUID.bytes + len(held).to_bytes(2, "big") + held + key
        told = (self.flags if flags is None else flags) | AT
        whole = attestation or cbor2.dumps(
            {"fmt": fmt, "attStmt": statement or {}, "authData": self.data(flags=told, rp_id=rp_id) + attested}
        )
        return {
            "id": b64(self.credential_id),
            "rawId": b64(self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": True}},
            "response": {
                "clientDataJSON": b64(data or client_data("create", options["challenge"])),
                "attestationObject": b64(whole),
                "transports": list(transports),
                "publicKeyAlgorithm": -7,
            },
        }

    def signed(
        self,
        options: dict[str, Any],
        *,
        data: bytes | None = None,
        flags: int | None = None,
        count: int | None = None,
        rp_id: str | None = None,
        handle: bytes | None = b"",
        signature: bytes | None = None,
        authenticator: bytes | None = None,
    ) -> dict[str, Any]:
        """The credential of `get()`, as `toJSON()` writes it."""
        if self.counts:
            self.count += 1
        client = data or client_data("get", options["challenge"])
        told = authenticator or self.data(flags=flags, count=count, rp_id=rp_id)
        named = self.handle if handle == b"" else handle
        return {
            "id": b64(self.credential_id),
            "rawId": b64(self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(told),
                "signature": b64(signature or self.sign(told + hashlib.sha256(client).digest())),
                "userHandle": b64(named) if named is not None else None,
            },
        }


@dataclass
class KeyBrowser(Browser):
    """A browser that also keeps the cookie by which passkey sign-ins know it."""

    known_as: str = ""

    def _headers(self) -> dict[str, str]:
        headers = super()._headers()
        cookies = [headers.get("Cookie", ""), f"__Secure-identry_passkey={self.known_as}" if self.known_as else ""]
        return {**headers, **({"Cookie": "; ".join(filter(None, cookies))} if any(cookies) else {})}

    async def _take(self, reply: Any) -> Any:
        for line in reply.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            if name == "refresh_token":
                self.cookie = rest.partition(";")[0]
            elif name == "__Secure-identry_passkey":
                self.known_as = rest.partition(";")[0]
        if reply.status_code in {200, 201} and "access_token" in reply.json():
            self.access_token, self.me = reply.json()["access_token"], reply.json()["user"]
        return reply

    async def options(self, what: str, **body: Any) -> dict[str, Any]:
        """What the server asks the browser for."""
        reply = await self.post(f"/passkeys/{what}/options", body)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()["public_key"]
        return found

    async def register(self, device: Device, name: str = "Laptop", **how: Any) -> Any:
        """Add a device; `how` is what it does otherwise."""
        credential = device.created(await self.options("register"), **how)
        return await self.post("/passkeys/register", {"credential": credential, "name": name})

    async def sign_in(self, device: Device, **how: Any) -> Any:
        """Sign in with a device alone."""
        credential = device.signed(await self.options("login"), **how)
        return await self.post("/passkeys/login", {"credential": credential})

    async def second(self, ticket: str, device: Device, **how: Any) -> Any:
        """Finish a sign-in with a device."""
        credential = device.signed(await self.options("mfa", session_token=ticket), **how)
        return await self.post("/passkeys/mfa", {"session_token": ticket, "credential": credential})

    async def patch(self, path: str, json: Any) -> Any:
        return await self.app.http.patch(f"{API}{path}", json=json, headers=self._headers())


async def raced(begin: Callable[[], Awaitable[Callable[[], Awaitable[Any]]]], *, won: int, lost: set[int]) -> None:
    """A hundred equal requests at once, one of which may win; `begin` makes ready and returns what sends one.

    A database that is asked by a hundred at once may leave some without an answer (503), the winner too: then another
    round is begun.
    """
    for _ in range(5):
        send = await begin()
        statuses = [reply.status_code for reply in await asyncio.gather(*(send() for _ in range(100)))]
        assert set(statuses) <= {won, *lost, 503}
        assert statuses.count(won) <= 1
        if statuses.count(won) == 1:
            return
        assert 503 in statuses
    raise AssertionError("nobody ever won")


async def with_device(
    app: Harness, person: Person | None = None, device: Device | None = None, **fields: Any
) -> tuple[KeyBrowser, Person, Device]:
    """A signed-in person of a tenant who has added a device."""
    person = person or await app.make_user(**fields)
    device = device or Device()
    await settle(app, person, await tenant(app))
    browser = KeyBrowser(app)
    assert (await browser.login(person)).status_code == 200
    reply = await browser.register(device)
    assert reply.status_code == 201, reply.text
    return browser, person, device
