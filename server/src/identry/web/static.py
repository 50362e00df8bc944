"""Files that travel in the package, served as they are: named by their content, so a browser may keep them for good.

Bounded on purpose (CVE-2025-62727): a `Range` of one span of at most 19 digits each side is honoured, every other
`Range` is ignored, as RFC 9110 §14.2 allows. Nothing is looked up by a name from the request.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from identry.web.call import Answer, Call
from identry.web.operations import Operation

_FOREVER = "public, max-age=31536000, immutable"
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file under a URL that changes with its content.

    Attributes:
        source: where it lies on disk.
        media_type: its `Content-Type`.
        path: its URL path.
        size: bytes.
        sha256: digest of its content.
    """

    source: Path
    media_type: str
    path: str
    size: int
    sha256: bytes

    @classmethod
    def load(cls, source: Path, media_type: str, folder: str) -> StaticFile:
        """The file at `source`, to be served below the URL `folder`."""
        content = source.read_bytes()
        digest = hashlib.sha256(content).digest()
        path = f"{folder}/{source.stem}.{digest.hex()[:12]}{source.suffix}"
        return cls(source, media_type, path, len(content), digest)

    @property
    def integrity(self) -> str:
        """For the `integrity` attribute and the content security policy: `sha256-…`."""
        return "sha256-" + base64.b64encode(self.sha256).decode()

    @property
    def etag(self) -> str:
        """A strong entity tag."""
        return f'"{self.sha256.hex()[:32]}"'

    def operation(self) -> Operation:
        """The row of the operation table that serves it."""

        async def handle(call: Call) -> Answer:
            return await self._answer(call)

        return Operation(
            "GET",
            self.path,
            handle,
            f"The file {self.source.name}",
            tag="Pages",
            media_type=self.media_type,
            hidden=True,
            for_all=True,
        )

    async def _answer(self, call: Call) -> Answer:
        headers = {"ETag": self.etag, "Cache-Control": _FOREVER, "Accept-Ranges": "bytes"}
        if not_modified(call, self.etag):
            return Answer(b"", 304, headers)
        span = self._span(call)
        if span is None:
            return Answer(await asyncio.to_thread(self.source.read_bytes), 200, headers)
        if span.stop <= span.start:
            return Answer(b"", 416, {**headers, "Content-Range": f"bytes */{self.size}"})
        content = await asyncio.to_thread(self.source.read_bytes)
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{self.size}"
        return Answer(content[span.start : span.stop], 206, headers)

    def _span(self, call: Call) -> range | None:
        """The bytes asked for; None for all of them; empty when none of them exists."""
        found = _RANGE.fullmatch(call.header(b"range") or "")
        if found is None or call.header(b"if-range") not in {None, self.etag}:
            return None
        first, last = found[1], found[2]
        if not first:
            return range(max(self.size - int(last), 0), self.size) if last else None
        if last and int(last) < int(first):
            return None
        return range(int(first), min(int(last or self.size) + 1, self.size))


def not_modified(call: Call, etag: str) -> bool:
    """Whether `If-None-Match` names `etag` (weak comparison, RFC 9110 §13.1.2)."""
    sent = call.header(b"if-none-match")
    if sent is None:
        return False
    return sent.strip() == "*" or any(tag.strip().removeprefix("W/") == etag for tag in sent.split(",", 100))
