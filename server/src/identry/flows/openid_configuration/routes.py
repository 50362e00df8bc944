"""GET /.well-known/openid-configuration and /.well-known/oauth-authorization-server."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from identry.flows.openid_configuration.service import Configuration, configuration
from identry.records.keys import JwkSet, KeyRing
from identry.web.call import Call, Ready
from identry.web.operations import Operation

_HEADERS = {"Cache-Control": "public, max-age=300"}


def operations(issuer: str, ring: KeyRing, served: Iterable[Operation], languages: Iterable[str]) -> list[Operation]:
    """The room's rows; `served` is every other row of this server."""
    paths, spoken = {operation.path for operation in served}, tuple(languages)
    made_of: JwkSet | None = None
    ready: Ready

    async def tell(_: Call) -> Ready:
        nonlocal made_of, ready
        published = ring.jwks()
        if published is not made_of:
            told = configuration(issuer, paths, [str(jwk["alg"]) for jwk in published.keys], spoken)
            made_of, ready = published, Ready(msgspec.json.encode(told), "application/json", _HEADERS)
        return ready

    def row(path: str, summary: str, description: str) -> Operation:
        return Operation(
            "GET",
            path,
            tell,
            summary,
            tag="OAuth",
            reply=Configuration,
            enveloped=False,
            for_all=True,
            description=description,
        )

    return [
        row(
            "/.well-known/openid-configuration",
            "What the provider can do",
            "OpenID Connect Discovery 1.0. Keep it for `max-age`.",
        ),
        row(
            "/.well-known/oauth-authorization-server",
            "What the provider can do, for OAuth clients",
            "RFC 8414: the same document.",
        ),
    ]
