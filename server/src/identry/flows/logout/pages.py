"""GET /logout and /signed-out: sign out of this browser, on a page; the form goes to `end_session`."""

from __future__ import annotations

from identry.hosted import Hosted
from identry.web.call import Answer, Call
from identry.web.operations import Operation


def operations(hosted: Hosted) -> list[Operation]:
    """The room's pages."""

    async def confirm(call: Call) -> Answer:
        known = await hosted.known(call)
        if known is None:
            return hosted.pages.go("/signed-out", hosted.session.cleared())
        return await hosted.show(call, "logout.html", user=known.user)

    async def done(call: Call) -> Answer:
        return await hosted.show(call, "signed_out.html")

    return [
        hosted.pages.page("/logout", hosted.plain(confirm), "Sign out"),
        hosted.pages.page("/signed-out", hosted.plain(done), "Signed out"),
    ]
