"""A client's refresh token becomes its next tokens (RFC 6749 §6): the rotation of every surface, for grants.

A token counts only for the client that it was given to and, when that client cannot prove itself, only with the key
that it was bound to (RFC 9449 §5). Fewer scopes or resources may be asked for; the grant keeps them all.
"""

from __future__ import annotations

from identry.core.origin import Origin
from identry.oauth import resources, scopes, standing
from identry.oauth.errors import InvalidGrant, InvalidScope, InvalidTarget
from identry.oauth.grants import Grants, Opened
from identry.oauth.opening import open_to
from identry.records.clients import Client
from identry.rotation import Holder, Misfit, Reading, Rotation
from identry.rotation.statements import ADMITTED
from identry_kit.apierror import Unauthorized

GRANTS = Reading(
    {
        **{name: expression for name, expression in standing.COLUMNS.items() if name != "global_role"},
        "scopes": "s.scopes",
        "audiences": "s.audiences",
    },
    f"""
        c.is_active AND c.id = a.client_id AND (s.dpop_jkt IS NULL OR s.dpop_jkt = a.jkt) AND {ADMITTED}
        AND {open_to("s.user_id", "u.global_role")}
    """,
    tables="clients c",
    joined="c.id = s.client_id",
    held=True,
    fits="""
        (a.scopes IS NULL OR string_to_array(a.scopes, ' ') <@ s.scopes)
        AND (a.audiences IS NULL OR string_to_array(a.audiences, ' ') <@ COALESCE(s.audiences, c.audiences))
    """,
)
"""What the rotation reads of a grant."""


class Refreshing:
    """Refreshes grants."""

    def __init__(self, rotation: Rotation, grants: Grants) -> None:
        self._rotation = rotation
        self._grants = grants

    async def __call__(
        self,
        client: Client,
        raw_token: str,
        origin: Origin,
        *,
        scope: str = "",
        resource: tuple[str, ...] = (),
        jkt: str | None = None,
    ) -> Opened:
        """The grant of a refresh token that its own client presents; `Grants.tokens` makes its tokens.

        Args:
            client: proven, or public.
            raw_token: as presented.
            origin: the request.
            scope: empty: all that was granted.
            resource: the same.
            jkt: the key that proved itself in this request.

        Raises:
            InvalidGrant: unknown, used, expired or revoked, another client's, or bound to another key.
            InvalidScope, InvalidTarget: more than was granted; the token stays good.
            ServiceUnavailable: the database cannot tell.
        """
        asked = scopes.allowed(client, scopes.parse(scope))
        meant = resources.allowed(resource, client.audiences)
        holder = Holder(client.id, jkt, " ".join(asked) or None, " ".join(meant) if meant else None)
        try:
            refreshed = await self._rotation(raw_token, origin, holder)
        except Misfit:
            raise (InvalidTarget if meant and not asked else InvalidScope)("more than was granted") from None
        except Unauthorized:
            raise InvalidGrant from None
        row = refreshed.row
        granted = asked or tuple(scope for scope in row["scopes"] if scope in client.scopes)
        if meant is None and row["audiences"] is not None:
            meant = tuple(audience for audience in row["audiences"] if audience in client.audiences)
        token = refreshed.token
        return self._grants.read(token.session_id, row, client, token.raw, granted, meant, dpop_jkt=jkt)
