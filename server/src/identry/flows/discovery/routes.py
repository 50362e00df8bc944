"""GET /.well-known/jwks.json."""

from __future__ import annotations

from typing import Literal

import msgspec

from identry.flows.discovery.service import jwks_document
from identry.records.keys import JwkSet, KeyRing
from identry.web.call import Answer, Call, Ready
from identry.web.operations import Operation


class Jwk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A public key (RFC 7517 §4); which of the last fields are there depends on `kty`."""

    kty: Literal["RSA", "EC", "OKP"]
    use: Literal["sig"]
    alg: str
    kid: str
    n: str | msgspec.UnsetType = msgspec.UNSET
    e: str | msgspec.UnsetType = msgspec.UNSET
    crv: str | msgspec.UnsetType = msgspec.UNSET
    x: str | msgspec.UnsetType = msgspec.UNSET
    y: str | msgspec.UnsetType = msgspec.UNSET


class Jwks(msgspec.Struct, frozen=True):
    """A set of public keys (RFC 7517 §5)."""

    keys: list[Jwk]


def operations(ring: KeyRing) -> list[Operation]:
    """The room's rows of the operation table."""
    made_of: JwkSet | None = None
    ready: Ready

    async def jwks(call: Call) -> Answer | Ready:
        nonlocal made_of, ready
        if (asked := call.header(b"if-none-match")) is not None:
            status, headers, body = jwks_document(ring, asked)
            return Answer(body, status=status, headers=headers)
        published = ring.jwks()
        if published is not made_of:
            _, headers, body = jwks_document(ring)
            made_of, ready = published, Ready(body, "application/json", headers)
        return ready

    return [
        Operation(
            "GET",
            "/.well-known/jwks.json",
            jwks,
            "The public keys that verify access tokens",
            tag="Keys",
            reply=Jwks,
            also={304: "The copy that the caller has is current"},
            enveloped=False,
            for_all=True,
            description="Active, upcoming and retiring keys (RFC 7517). Keep it for `max-age`, then `If-None-Match`.",
        )
    ]
