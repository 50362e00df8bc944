"""GET /.well-known/jwks.json."""

from __future__ import annotations

from identry.flows.discovery.service import jwks_document
from identry.records.keys import KeyRing
from identry.web.call import Answer, Call
from identry.web.operations import Operation


def operations(ring: KeyRing) -> list[Operation]:
    """The room's rows of the operation table."""

    async def jwks(call: Call) -> Answer:
        status, headers, body = jwks_document(ring, call.header(b"if-none-match") or "")
        return Answer(body, status=status, headers=headers)

    return [
        Operation(
            "GET",
            "/.well-known/jwks.json",
            jwks,
            "The public keys that verify access tokens",
            tag="Keys",
            enveloped=False,
            description="Active, upcoming and retiring keys (RFC 7517). Keep it for `max-age`, then `If-None-Match`.",
        )
    ]
