"""GET /.well-known/jwks.json."""

from __future__ import annotations

from typing import Literal

import msgspec

from identry.flows.discovery.service import jwks_document
from identry.records.keys import KeyRing
from identry.web.call import Answer, Call
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
    ready: dict[str, Answer] = {}  # the whole document, by its entity tag; never more than one

    async def jwks(call: Call) -> Answer:
        asked = call.header(b"if-none-match")
        if asked is None and (answer := ready.get(ring.jwks().etag)) is not None:
            return answer
        status, headers, body = jwks_document(ring, asked or "")
        lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        answer = Answer(body, status=status, lines=lines)
        if asked is None:
            ready.clear()
            ready[headers["ETag"]] = answer
        return answer

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
            description="Active, upcoming and retiring keys (RFC 7517). Keep it for `max-age`, then `If-None-Match`.",
        )
    ]
