"""Who sent the person to the page: the application of an authorization request that waits for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from identry.pages import Brand
from identry.pages.brand import DEFAULT_COLOR
from identry.records.clients import Client
from identry.web.call import Call
from identry.web.pages import Worn


@dataclass(frozen=True, slots=True)
class Asking:
    """What an authorization request says to a page.

    Attributes:
        client: the application.
        redirect_uri: where it waits for the answer.
        login_hint: the address that it expects; empty: none.
        ui_locales: the languages that it wants; empty: the person's own.
    """

    client: Client
    redirect_uri: str
    login_hint: str = ""
    ui_locales: str = ""

    @property
    def worn(self) -> Worn:
        """The application's looks."""
        client = self.client
        brand = Brand(client.name, client.brand_color or DEFAULT_COLOR, client.logo_url or "")
        return Worn(brand, client.url or "", self.ui_locales)


WhoAsks = Callable[[str, Call], Awaitable[Asking | None]]
"""The handle of a request, in a browser → who asks; None: it is not known, over, or another browser's."""


async def nobody_asks(handle: str, call: Call) -> Asking | None:  # noqa: ARG001 - the signature of WhoAsks
    """No request waits."""
    return None
