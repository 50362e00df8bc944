"""GET /consent: what an application asks of a person."""

from __future__ import annotations

from identry.flows.consent.service import Consent
from identry.hosted import Hosted
from identry.oauth.errors import RequestGone
from identry.oauth.scopes import SUPPORTED
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Operation
from identry.web.trail import Trail


def operations(consent: Consent, hosted: Hosted, binding: Cookie) -> list[Operation]:
    """The room's page; `binding` is the cookie that ties requests to their browser."""

    async def show(call: Call) -> Answer:
        trail = Trail.of(call)
        asked = await consent.asking(trail.request, hosted.session.read(call), binding.read(call))
        if asked is None:
            return hosted.pages.go(trail.onward)
        known = [scope for scope in asked.scopes if scope in SUPPORTED and scope != "openid"]
        return await hosted.show(
            call,
            "consent.html",
            client=asked.client,
            user=asked.user,
            scopes=known,
            further=[scope for scope in asked.scopes if scope not in SUPPORTED],
            new=asked.new,
            before=len(asked.new) < len(asked.scopes),
        )

    return [hosted.pages.page("/consent", hosted.plain(show), "What an application asks for", errors=(RequestGone,))]
