"""GET /openapi.json and /docs."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from identry.web.call import Answer, Call
from identry.web.openapi import document
from identry.web.operations import Operation
from identry.web.static import StaticFile, not_modified

_PAGES = Path(__file__).parent / "pages"
_ASSETS = "/docs/assets"
_REVALIDATE = "no-cache"


def operations(described: Iterable[Operation], *, version: str) -> list[Operation]:
    """The room's rows of the operation table.

    Args:
        described: every other row of the table.
        version: of the API.
    """
    table = tuple(described)
    page, policy, files = _page()

    @functools.cache
    def content() -> bytes:
        return msgspec.json.encode(document(table, version=version))

    async def openapi(call: Call) -> Answer:
        # Made when somebody first asks, which few servers ever see, and beside the loop: it takes a third of a second.
        return _cached(call, await asyncio.to_thread(content), {})

    async def docs(call: Call) -> Answer:
        return _cached(call, page, policy)

    return [
        Operation(
            "GET", "/openapi.json", openapi, "This document", tag="Pages", enveloped=False, hidden=True, for_all=True
        ),
        Operation(
            "GET",
            "/docs",
            docs,
            "The API reference",
            tag="Pages",
            media_type="text/html; charset=utf-8",
            hidden=True,
            for_all=True,
        ),
        *(file.operation() for file in files),
    ]


def _cached(call: Call, content: bytes, extra: Mapping[str, str]) -> Answer:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": _REVALIDATE, **extra}
    return Answer(b"", 304, headers) if not_modified(call, etag) else Answer(content, 200, headers)


def _page() -> tuple[bytes, dict[str, str], list[StaticFile]]:
    """The page, its headers and its files; only scripts with these very hashes may run on it."""
    script, style = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
    files = {
        "viewer_css": StaticFile.load(_PAGES / "swagger-ui" / "swagger-ui.css", style, _ASSETS),
        "viewer_js": StaticFile.load(_PAGES / "swagger-ui" / "swagger-ui-bundle.js", script, _ASSETS),
        "page_css": StaticFile.load(_PAGES / "reference.css", style, _ASSETS),
        "page_js": StaticFile.load(_PAGES / "reference.js", script, _ASSETS),
        "icon": StaticFile.load(_PAGES / "icon.svg", "image/svg+xml", _ASSETS),
    }
    values: dict[str, Any] = {}
    for name, file in files.items():
        values[name], values[f"{name}_integrity"] = escape(file.path), file.integrity
    html = (_PAGES / "reference.html").read_text(encoding="utf-8").format_map(values)
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{files['viewer_js'].integrity}' '{files['page_js'].integrity}'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    return html.encode(), headers, list(files.values())
