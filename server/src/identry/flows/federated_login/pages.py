"""GET /login/microsoft and /login/sso/{tenant_slug}: from a page of the sign-in to a provider, and back to a page."""

from __future__ import annotations

import re
from typing import Any

from identry.core.limits import FEDERATED_LOGIN
from identry.core.secrets import token_hash
from identry.federation.departure import Errand, TooManyPending
from identry.federation.provider import MICROSOFT
from identry.flows.federated_login.refusals import Refused
from identry.flows.federated_login.service import FederatedLogin, ProviderOff
from identry.flows.federated_login.tenants import TenantOf
from identry.hosted import Hosted
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Operation
from identry.web.trail import Trail, parameter
from identry_kit.apierror import ServiceUnavailable

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class ProviderSilent(ServiceUnavailable):
    """503: the provider cannot be had."""

    code = "provider_unavailable"
    message = "the identity provider cannot be reached"


def operations(
    login: FederatedLogin, hosted: Hosted, leaving: Cookie, tenant_of: TenantOf | None, *, microsoft: bool
) -> list[Operation]:
    """The room's pages; `leaving` is the cookie that the browser takes along."""

    async def leave(call: Call, key: str) -> Answer:
        trail = Trail.of(call)
        invitation = parameter(call, "invitation")
        errand = Errand(
            trail.to("/login/arrive"),
            trail.email,
            invitation_hash=token_hash(invitation) if invitation else None,
            hosted=True,
        )
        try:
            departure = await login.start(key, errand, call.origin)
        except Refused:
            raise ProviderSilent from None
        return hosted.pages.go(departure.url, leaving.holding(departure.binding))

    async def to_microsoft(call: Call) -> Answer:
        return await leave(call, MICROSOFT)

    async def to_tenant(call: Call) -> Answer:
        slug = call.path["tenant_slug"]
        tenant_id = await tenant_of(slug) if tenant_of and _SLUG.fullmatch(slug) else None
        if tenant_id is None:
            raise ProviderOff
        return await leave(call, str(tenant_id))

    page = hosted.pages.page
    told: Any = {"limits": (FEDERATED_LOGIN,), "errors": (ProviderOff, ProviderSilent, TooManyPending), "status": 303}
    rows = []
    if microsoft:
        rows.append(page("/login/microsoft", hosted.plain(to_microsoft), "Sign in with Microsoft", **told))
    if tenant_of:
        rows.append(page("/login/sso/{tenant_slug}", hosted.plain(to_tenant), "Sign in with a provider", **told))
    return rows
