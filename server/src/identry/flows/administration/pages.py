"""GET /admin: where administration lives."""

from __future__ import annotations

from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.pages import Pages
from identry_kit.apierror import APIError


def operations(pages: Pages, reference: str) -> list[Operation]:
    """The room's page; `reference` is the address of the API's reference."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        return pages.show(call, "admin.html", error=error, reference=reference)

    return [pages.page("/admin", show, "Where administration lives")]
