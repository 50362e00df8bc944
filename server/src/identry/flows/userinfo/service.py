"""What an application may know of its user now. Source: contracts/provider-api.md §5; OpenID Connect Core §5.3."""

from __future__ import annotations

import msgspec

from identry.core.db import Executor
from identry.oauth import standing
from identry.oauth.errors import InvalidToken
from identry.oauth.standing import Standing, profile_claims
from identry.records.clients import Client
from identry.records.users import User

_STANDING = f"SELECT {standing.SELECTED} FROM users u, clients c WHERE u.id = $1 AND c.id = $2"  # noqa: S608 - constant


class Userinfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """The user; which fields are there depends on the token's scopes."""

    sub: str
    role: str
    app_roles: dict[str, str]
    email: str | msgspec.UnsetType = msgspec.UNSET
    email_verified: bool | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    preferred_username: str | msgspec.UnsetType = msgspec.UNSET
    picture: str | msgspec.UnsetType = msgspec.UNSET


class TellUserinfo:
    """Tells who a user is."""

    def __init__(self, db: Executor) -> None:
        self._db = db

    async def __call__(self, user: User, client: Client, scopes: tuple[str, ...]) -> Userinfo:
        """The user as the scopes let them be seen; an application of the operator itself sees all of it.

        Raises:
            InvalidToken: user or client went away this moment.
            ServiceUnavailable: the database cannot tell.
        """
        row = await self._db.fetchrow(_STANDING, user.id, client.id)
        if row is None:
            raise InvalidToken
        seen = Standing.of(row, client)
        told = profile_claims(seen, ("email", "profile") if client.first_party else scopes)
        return Userinfo(str(seen.number), seen.role, dict(seen.app_roles), **told)
