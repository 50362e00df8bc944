"""GET /api/v1/auth/sessions and DELETE /api/v1/auth/sessions/{id}."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from identry.browser import BROWSER_PATH
from identry.flows.sessions.service import OwnSessions, UnknownSession
from identry.web.call import Call
from identry.web.operations import Guard, Operation


class SessionView(msgspec.Struct, frozen=True):
    """One place where the caller is signed in; `id` is the `sid` of its tokens."""

    id: UUID
    tenant_id: UUID | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    amr: list[str]
    ip: str | None
    user_agent: str | None
    current: bool


class SessionsView(msgspec.Struct, frozen=True):
    """Live sessions, the newest first."""

    data: list[SessionView]


def operations(own: OwnSessions) -> list[Operation]:
    """The room's rows of the operation table."""

    async def listed(call: Call) -> SessionsView:
        found = await own.live(call.actor.user.id, within=_reach(call))
        return SessionsView(
            [
                SessionView(
                    s.id,
                    s.tenant_id,
                    s.created_at,
                    s.last_used_at,
                    s.expires_at,
                    s.amr,
                    s.ip,
                    s.user_agent,
                    s.id == call.actor.session_id,
                )
                for s in found
            ]
        )

    async def end(call: Call) -> bytes:
        actor = call.actor
        await own.end(call.path["id"], actor.user.id, actor.session_id, call.origin, within=_reach(call))
        return b""

    return [
        Operation(
            "GET",
            f"{BROWSER_PATH}/sessions",
            listed,
            "Where the caller is signed in",
            tag="Browser",
            surface="browser",
            guard=Guard.BROWSER,
            reply=SessionsView,
            description="Every live session of the caller, those of other tenants and of the platform included "
            "(`tenant_id` null), at most a thousand. After a sign-in at a tenant's own provider: those of it.",
        ),
        Operation(
            "DELETE",
            f"{BROWSER_PATH}/sessions/{{id:uuid}}",
            end,
            "End a session of the caller",
            tag="Browser",
            surface="browser",
            guard=Guard.BROWSER,
            status=204,
            errors=(UnknownSession,),
        ),
    ]


def _reach(call: Call) -> UUID | None:
    """The tenant whose own provider vouched for the caller: it opens that tenant and nothing else (decision 0093)."""
    return call.tenant_id if "sso_tenant" in call.actor.amr else None
