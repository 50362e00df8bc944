"""Asking another service of ours for JSON: bounded in time and size, following nothing.

One deadline covers the whole exchange (name, connection, headers, body); redirects are answers, not instructions;
the environment's proxies are not used; a compressed answer is refused unread, so its size is what was received.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec

_PLAIN = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "identry"}


class OutboundError(Exception):
    """No usable answer; the text says why in a few words and quotes nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class JsonReply:
    """An answer: its status, its body decoded (None when it is no JSON), and where it points (`Location`)."""

    status: int
    body: Any
    location: str | None = None


class JsonClient:
    """Reads JSON over HTTP.

    Args:
        timeout: seconds for a whole exchange.
        max_bytes: of an answer's body.
        headers: sent with each request.
        transport: where connections go; anywhere, unless it is a `PublicNetwork`.

    Attributes:
        http: the client underneath, for a library that bounds its answers itself.
    """

    def __init__(
        self,
        *,
        timeout: float = 2.0,
        max_bytes: int = 1 << 20,
        headers: Mapping[str, str] | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout = timeout
        self._max_bytes = max_bytes
        self.http = httpx2.AsyncClient(
            headers={**_PLAIN, **(headers or {})},
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    async def get(self, url: str, *, authorization: str | None = None) -> JsonReply:
        """The answer to a GET, whatever its status; `authorization` is the whole value of that header.

        Raises:
            OutboundError: no answer in time, one that is too large, or none that HTTP allows.
        """
        return await self._ask("GET", url, headers={"Authorization": authorization} if authorization else None)

    async def post_form(self, url: str, form: Mapping[str, str], *, authorization: str | None = None) -> JsonReply:
        """The answer to a form, whatever its status.

        Args:
            url: where to.
            form: its fields.
            authorization: the whole value of that header.

        Raises:
            OutboundError: as `get`.
        """
        headers = {"Authorization": authorization} if authorization else None
        return await self._ask("POST", url, data=dict(form), headers=headers)

    async def _ask(self, method: str, url: str, **more: Any) -> JsonReply:
        try:
            async with asyncio.timeout(self._timeout), self.http.stream(method, url, **more) as answer:
                if answer.headers.get("content-encoding", "identity").lower() != "identity":
                    raise OutboundError("the answer is compressed")
                raw = bytearray()
                async for chunk in answer.aiter_raw():
                    raw += chunk
                    if len(raw) > self._max_bytes:
                        raise OutboundError(f"the answer is larger than {self._max_bytes} bytes")
                return JsonReply(answer.status_code, _decoded(bytes(raw)), answer.headers.get("location"))
        except TimeoutError:
            raise OutboundError(f"no answer within {self._timeout:g} s") from None
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError) as error:
            raise OutboundError(type(error).__name__) from error

    async def close(self) -> None:
        """Close every connection."""
        await self.http.aclose()


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
