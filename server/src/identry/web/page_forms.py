"""Forms of pages: sent by our own pages only, and shown again with what is wrong with them.

A POST must come from a page of this origin, as the browser says (`Sec-Fetch-Site`, `Origin`), and carry the token that
belongs to the browser's cookie: either alone would do, together neither a browser's oddity nor a planted cookie opens
anything (SECURITY ASVS 3.5.1).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated
from urllib.parse import parse_qsl

import msgspec

from identry.core.base64url import encoded
from identry.core.secrets import equal, new_token
from identry.web.call import Call
from identry.web.cookies import Cookie
from identry_kit.apierror import Forbidden

FIELD = "csrf"
FormToken = Annotated[str, msgspec.Meta(max_length=100, description="Of the page that the form is on.")]
_SECONDS = 30 * 86400


class ForeignForm(Forbidden):
    """403: the form was sent by a page of another site, or by none."""

    code = "foreign_form"
    message = "this form was not sent by a page of this site"


class PageExpired(Forbidden):
    """403: the form is of another browser, or its cookie is gone; the page is shown anew and can be sent again."""

    code = "page_expired"
    message = "this page has expired; send it again"


class FormGuard:
    """Lets forms of our own pages pass.

    Args:
        key: of the tokens.
        origins: of these pages, as browsers write them.
        secure: whether browsers reach the pages over TLS.
    """

    def __init__(self, key: bytes, origins: Iterable[str], *, secure: bool) -> None:
        self._key = key
        self._origins = frozenset(origins)
        self.cookie = Cookie("__Host-identry_form" if secure else "identry_form", "/", _SECONDS, "Lax", secure)

    async def check_origin(self, call: Call) -> None:
        """Let a request of one of our pages pass.

        Raises:
            ForeignForm: of any other page, or of none.
        """
        site = call.headers(b"sec-fetch-site")
        if site:
            own = site == ["same-origin"]
        else:
            origins = call.headers(b"origin")
            own = len(origins) == 1 and origins[0] in self._origins
        if not own:
            raise ForeignForm

    def check_token(self, call: Call) -> None:
        """Let a form pass that a page of this browser carried.

        Raises:
            PageExpired: its token is not that of the browser's cookie.
        """
        if not self.is_ours(call, call.typed.get(FIELD, "")):
            raise PageExpired

    def is_ours(self, call: Call, token: str) -> bool:
        """Whether the token of a form is that of the browser's cookie."""
        secret = self.cookie.read(call)
        return secret is not None and equal(self._token(secret), token)

    def browser(self, call: Call) -> tuple[str, bool]:
        """The secret by which this browser is known, and whether it was made just now."""
        secret = self.cookie.read(call)
        return (secret, False) if secret else (new_token(), True)

    def token(self, secret: str) -> str:
        """What the forms of a page carry."""
        return self._token(secret)

    def _token(self, secret: str) -> str:
        digest = hmac.digest(self._key, secret.encode(), "sha256")
        return encoded(digest[:24])


def typed_fields(raw: bytes) -> Mapping[str, str]:
    """A form as it was typed, to be shown again: the first of each field, nothing refused."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="replace", max_num_fields=100)
    except (UnicodeDecodeError, ValueError):
        return MappingProxyType({})
    return dict(reversed(pairs))
