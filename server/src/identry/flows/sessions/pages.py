"""/account/sessions: where somebody is signed in, and the end of what they do not know."""

from __future__ import annotations

import msgspec

from identry.flows.sessions.service import OwnSessions, UnknownSession
from identry.pages.devices import described
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry_kit.apierror import APIError

_PATH = f"{HOME}/sessions"


class EndForm(msgspec.Struct):
    """A form of one button."""


def operations(own: OwnSessions, account: AccountPages) -> list[Operation]:
    """The room's pages."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        found = [(one, described(one.user_agent)) for one in await own.devices(call.actor.user.id)]
        here = [pair for pair in found if pair[0].id == call.actor.session_id]
        others = [pair for pair in found if pair[0].id != call.actor.session_id]
        return await account.show(call, "sessions", "sessions", error, current=here, others=others)

    async def end(call: Call) -> Answer:
        actor = call.actor
        await own.end(call.path["id"], actor.user.id, actor.session_id, call.origin)
        gone = call.path["id"] == actor.session_id
        return account.pages.go("/login") if gone else account.done(_PATH, "sessions.ended")

    async def end_others(call: Call) -> Answer:
        ended = await own.end_others(call.actor.user.id, call.actor.session_id, call.origin)
        how = {0: "none", 1: "one"}.get(ended, "many")
        return account.done(_PATH, f"sessions.ended_all_{how}", **({"count": str(ended)} if ended > 1 else {}))

    return [
        account.page(_PATH, show, "Where you are signed in"),
        account.form(
            f"{_PATH}/{{id:uuid}}/end", end, show, "End a session", back=_PATH, body=EndForm, errors=(UnknownSession,)
        ),
        account.form(f"{_PATH}/end-others", end_others, show, "End all other sessions", back=_PATH, body=EndForm),
    ]
