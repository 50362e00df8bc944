"""The issuer as an HTTP client's transport: the same answers without a socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from identry_kit.testing.issuer import Issuer


def transport(issuer: Issuer) -> httpx2.MockTransport:
    """A transport whose answers are `issuer`'s. What a client would notice late (`slow`) it notices at once."""

    async def answer(request: httpx2.Request) -> httpx2.Response:
        found = issuer.answer(request.url.raw_path.decode())
        if issuer.delay:
            await asyncio.sleep(issuer.delay)
        match issuer.recipe:
            case "down":
                raise httpx2.ConnectError("connection refused", request=request)
            case "slow":
                raise httpx2.ReadTimeout("no answer in time", request=request)
            case "garbage":
                raise httpx2.RemoteProtocolError("not HTTP", request=request)
        return httpx2.Response(found.status, headers=dict(found.headers), stream=_Raw(found.body))

    return httpx2.MockTransport(answer)


class _Raw(httpx2.AsyncByteStream):
    """The bytes as they are: nothing is decoded before the client asks."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # the base class leaves the iterator's type open
        yield self._body
