"""GET /auth/me."""

from __future__ import annotations

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.flows.account import queries
from identry.records.session_reader import SessionReader
from identry.records.users import User
from identry.web.call import Call
from identry.web.guards import SessionRevoked, live_actor, session_of
from identry.web.operations import Guard, Operation
from identry.web.views import MeView


def operations(db: Executor, clock: Clock) -> list[Operation]:
    """The room's rows of the operation table."""
    read = SessionReader(db, clock, queries.ME)

    async def me(call: Call) -> MeView:
        session_id = session_of(call.claims)
        row = await read(session_id)
        if row is None:
            raise SessionRevoked
        ended, amr, auth_time, companies, business_units, *user = row
        actor = live_actor(call.claims, session_id, ended, amr, auth_time, User(*user))
        return MeView.of_rows(actor.user, companies, business_units)

    return [
        Operation(
            "GET",
            "/auth/me",
            me,
            "The caller, with company and business-unit memberships",
            tag="Account",
            guard=Guard.TOKEN,
            reply=MeView,
            errors=(SessionRevoked,),
        )
    ]
