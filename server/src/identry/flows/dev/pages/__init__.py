"""The mailbox as HTML: server-rendered, no JavaScript, nothing loaded from elsewhere.

Never: shows a mail's HTML inside the page itself; that is a document of its own, sandboxed in a frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2

from identry.core.secrets import new_token
from identry.flows.dev.service import CapturedMail

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

# Mail styles itself inline and shows a remote logo; scripts, forms and same-origin access stay off (`sandbox`).
PREVIEW_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; form-action 'none';"
        " frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


def mailbox_page(mails: list[CapturedMail], opened: CapturedMail | None = None) -> tuple[bytes, Mapping[str, str]]:
    """The list and, beside it, the opened mail: (HTML, headers). The headers carry this page's own nonce."""
    nonce = new_token(16)
    html = _ENVIRONMENT.get_template("mailbox.html").render(mails=mails, opened=opened, nonce=nonce)
    return html.encode(), {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'nonce-{nonce}'; frame-src 'self'; base-uri 'none'; form-action 'none';"
            " frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }


def preview(mail: CapturedMail) -> bytes:
    """The mail's HTML part as a document for the frame; its links open in a new tab."""
    head, found, rest = mail.html.partition("<head>")
    if not found:
        return mail.html.encode()
    return f'{head}<head><base target="_blank">{rest}'.encode()
