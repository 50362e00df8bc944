"""What a page of ours allows the browser: Content Security Policy 3, with a nonce of the answer's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-:\[\]]+")


def page_headers(nonce: str, images: Iterable[str], *, leads_away: bool) -> dict[str, str]:
    """What the browser may load, run and do on a page; where the page may be shown: in no frame.

    Args:
        nonce: of this answer's scripts and styles.
        images: addresses of what it shows from elsewhere; an empty one, or none of http, is left out.
        leads_away: whether its forms go on at another server.
    """
    sources = {source for url in images if (source := _source(url))}
    # On the way to an application a form may end anywhere: browsers hold `form-action` against every redirect that
    # follows, and whither the application sends people in its turn nobody here knows.
    forms = () if leads_away else ("form-action 'self'",)
    policy = (
        "default-src 'none'",
        f"script-src 'nonce-{nonce}'",
        f"style-src 'nonce-{nonce}'",
        " ".join(("img-src 'self'", *sorted(sources))),
        "connect-src 'self'",
        *forms,
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        # Not `no-referrer`: with it a browser names no origin on a form that it sends.
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Vary": "Accept-Language, Cookie",
    }


def _source(url: str) -> str:
    """The origin of an image as a policy names it; empty for what is none: nothing else gets into a policy."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin if _ORIGIN.fullmatch(origin) else ""
