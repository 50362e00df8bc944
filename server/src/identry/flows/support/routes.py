"""The machine routes on sessions and users."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from identry.flows.support.service import SessionUnknown, Support, UserUnknown
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.views import MeView


class SessionRevokedReply(msgspec.Struct, rename="camel", frozen=True):
    """The session is over."""

    session_id: UUID
    revoked: bool = True


class SessionsRevokedReply(msgspec.Struct, rename="camel", frozen=True):
    """Every session of the account is over."""

    user_id: UUID
    revoked_sessions: int
    token_version: int


def operations(support: Support) -> list[Operation]:
    """The room's rows of the operation table; to be mounted only when an internal key is configured."""

    async def revoke_session(call: Call) -> SessionRevokedReply:
        await support.revoke_session(call.path["id"], call.origin)
        return SessionRevokedReply(call.path["id"])

    async def revoke_all(call: Call) -> SessionsRevokedReply:
        count, token_version = await support.revoke_all(call.path["id"], call.origin)
        return SessionsRevokedReply(call.path["id"], count, token_version)

    async def context(call: Call) -> MeView:
        found = await support.context(call.path["id"])
        return MeView.with_memberships(found.user, found.companies, found.units)

    common: dict[str, Any] = {"tag": "Machines", "guard": Guard.MACHINE}
    return [
        Operation(
            "POST",
            "/internal/sessions/{id:uuid}/revoke",
            revoke_session,
            "End one session",
            reply=SessionRevokedReply,
            errors=(SessionUnknown,),
            description="Repeating it changes nothing.",
            **common,
        ),
        Operation(
            "POST",
            "/internal/users/{id:uuid}/revoke-all",
            revoke_all,
            "End every session of an account",
            reply=SessionsRevokedReply,
            errors=(UserUnknown,),
            description="Also voids every access token at once (`tokenVersion` + 1).",
            **common,
        ),
        Operation(
            "GET",
            "/internal/users/{id:uuid}/context",
            context,
            "Read an account as its owner sees it",
            reply=MeView,
            errors=(UserUnknown,),
            **common,
        ),
    ]
