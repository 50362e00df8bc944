"""Who is calling on the browser surface, and in which tenant? The twin of `guards.Bearer` for that surface's tokens.

Issuer, audience and claims differ, so a token of one surface is refused on the other. Source: browser-api.md §3.
"""

from __future__ import annotations

from uuid import UUID

from identry.records import sessions, users
from identry.records.users import User
from identry.web.call import Actor, Call
from identry.web.guards import Bearer, SessionRevoked, session_of
from identry_kit.apierror import Unauthorized
from identry_kit.jwtauth import Claims, bearer_token

_USER = ", ".join(f"u.{name}" for name in users.COLUMNS.split(", "))
_LIVE = f"""
    SELECT s.id, {sessions.ENDED} AS ended, {sessions.ACCESS_VERSION} AS access_version, s.tenant_id, s.amr,
           s.auth_time, {_USER}
    FROM {sessions.OF_USERS}
"""  # noqa: S608 - constant column names


class InvalidToken(Unauthorized):
    """401: the access token is malformed, forged, expired or of another surface."""

    message = "invalid or expired token"


class BrowserBearer(Bearer):
    """Checks access tokens of the browser surface."""

    _live = _LIVE

    async def session(self, call: Call) -> None:
        """All of `token`, then session, user and tenant; sets `call.actor`, `call.tenant_id`, `call.access_version`.

        Raises:
            Unauthorized, SessionRevoked: as above, or the session ended, or user or tenant may not act any more.
            ServiceUnavailable: the database cannot answer.
        """
        await self.token(call)
        session_id = session_of(call.claims)
        row = await self._session(session_id)
        if row is None:
            raise SessionRevoked
        ended, access_version, tenant_id, amr, auth_time, *rest = row
        user = User(*rest)
        if ended is not None or access_version is None or not belong(call.claims, tenant_id, user.id):
            raise SessionRevoked
        call.actor = Actor(user=user, session_id=session_id, amr=amr, auth_time=auth_time)
        call.tenant_id, call.access_version = tenant_id, access_version

    async def session_or_ticket(self, call: Call) -> None:
        """As `session`; a request without an access token goes on, and the handler asks for a ticket in its body.

        Raises:
            Unauthorized, SessionRevoked, ServiceUnavailable: as `session`, for whoever sends a token.
        """
        if call.header(b"authorization") is not None:
            await self.session(call)

    async def named_session(self, call: Call) -> UUID | None:
        """The session of the request's bearer token, if it carries a genuine one; nothing else is asked."""
        try:
            return session_of(await self._verifier.verify(bearer_token(call.scope)))
        except Unauthorized:
            return None


def belong(claims: Claims, tenant_id: UUID | None, user_id: UUID) -> bool:
    """Whether token, session and user belong together.

    The version in the token is not asked: the session's own was compared with the user's, and the one session that
    goes on after a change of password was brought to the new version.
    """
    told = claims.get
    return (
        tenant_id is not None
        and told("tenant_id") == str(tenant_id)
        and told("sub") == str(user_id)
        and told("user_id") == str(user_id)
    )
