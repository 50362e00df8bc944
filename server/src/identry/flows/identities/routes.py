"""/api/v1/auth/identities."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from identry.browser import BROWSER_PATH
from identry.core.limits import FEDERATED_LOGIN
from identry.federation.departure import TooManyPending
from identry.federation.provider import MICROSOFT
from identry.flows.identities.service import (
    LastWayIn,
    OwnIdentities,
    ProviderSilent,
    ProviderUnknown,
    UnknownIdentity,
)
from identry.records.identities import Identity
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Guard, Operation
from identry.web.step_up import RECENT

_PATH = f"{BROWSER_PATH}/identities"


class IdentityView(msgspec.Struct, frozen=True):
    """One identity of the caller; address and name as its provider told them last."""

    id: UUID
    provider: Literal["microsoft", "oidc"]
    issuer: str
    email: str | None
    full_name: str | None
    created_at: datetime
    last_login_at: datetime | None

    @classmethod
    def of(cls, identity: Identity) -> IdentityView:
        """The view of a row."""
        return cls(
            id=identity.id,
            provider="microsoft" if identity.kind == "entra" else "oidc",
            issuer=identity.issuer,
            email=identity.email,
            full_name=identity.full_name,
            created_at=identity.created_at,
            last_login_at=identity.last_login_at,
        )


class IdentitiesView(msgspec.Struct, frozen=True):
    """Every identity of the caller, the oldest first."""

    data: list[IdentityView]


class LinkQuery(msgspec.Struct):
    """Where to go on."""

    return_to: Annotated[
        str, msgspec.Meta(description="Path in the app to go on at afterwards.", extra={"lenient": True})
    ] = ""


class LinkView(msgspec.Struct, frozen=True):
    """Where the browser goes to prove the identity."""

    authorization_url: str


def operations(own: OwnIdentities, leaving: Cookie, *, microsoft: bool) -> list[Operation]:
    """The room's rows; `leaving` is the cookie that the browser takes along, `microsoft` whether that is offered."""

    async def listed(call: Call) -> IdentitiesView:
        return IdentitiesView([IdentityView.of(identity) for identity in await own.listed(call.actor.user.id)])

    async def begin(call: Call, key: str) -> Answer:
        query: LinkQuery = call.query
        departure = await own.link(call.actor, key, query.return_to, call.origin)
        return Answer(LinkView(departure.url), cookies=(leaving.holding(departure.binding),))

    async def link(call: Call) -> Answer:
        return await begin(call, MICROSOFT)

    async def link_sso(call: Call) -> Answer:
        return await begin(call, str(call.tenant_id))

    async def remove(call: Call) -> bytes:
        await own.remove(call.actor, call.path["id"], call.origin)
        return b""

    linking = Operation(
        "POST",
        f"{_PATH}/microsoft/link",
        link,
        "Begin to link a Microsoft identity",
        tag="Browser",
        surface="browser",
        guard=Guard.BROWSER,
        fresh=RECENT,
        query=LinkQuery,
        reply=LinkView,
        limits=(FEDERATED_LOGIN,),
        errors=(TooManyPending,),
        description="Call it with credentials, so that the cookie is kept, within ten minutes of the sign-in; then "
        "navigate to `authorization_url`. It ends at `{APP_BASE_URL}/auth/callback` with `linked=microsoft` or "
        "with `error`.",
    )
    linking_sso = replace(
        linking,
        path=f"{_PATH}/sso/link",
        handler=link_sso,
        summary="Begin to link an identity of the tenant's own provider",
        errors=(*linking.errors, ProviderUnknown, ProviderSilent),
        description="As with Microsoft; it ends with `linked=oidc`, or `linked=microsoft` where that is what the "
        "tenant's provider is.",
    )
    return [
        Operation(
            "GET",
            _PATH,
            listed,
            "The caller's identities elsewhere",
            tag="Browser",
            surface="browser",
            guard=Guard.BROWSER,
            reply=IdentitiesView,
        ),
        *([linking] if microsoft else []),
        linking_sso,
        Operation(
            "DELETE",
            f"{_PATH}/{{id:uuid}}",
            remove,
            "Remove an identity of the caller",
            tag="Browser",
            surface="browser",
            guard=Guard.BROWSER,
            status=204,
            errors=(UnknownIdentity, LastWayIn),
            description="Signing in with it is over at once; sessions go on. The last way to sign in stays.",
        ),
    ]
