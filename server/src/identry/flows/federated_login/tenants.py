"""GET /api/v1/auth/sso/{tenant_slug}/login and /callback: the same way there and back, with a tenant's own provider."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from uuid import UUID

from identry.browser import BROWSER_PATH
from identry.flows.federated_login.routes import Redirects, errand_of, reply_of, rows
from identry.flows.federated_login.service import FederatedLogin, ProviderOff
from identry.web.call import Answer, Call
from identry.web.operations import Operation

TenantOf = Callable[[str], Awaitable[UUID | None]]

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def operations(login: FederatedLogin, redirects: Redirects, tenant_of: TenantOf) -> list[Operation]:
    """The room's rows for the providers of tenants; `tenant_of`: a short name → the tenant's id."""

    async def key_of(call: Call) -> str:
        """The provider's key; a tenant without one answers as one that does not exist."""
        slug = call.path["tenant_slug"]
        tenant_id = await tenant_of(slug) if _SLUG.fullmatch(slug) else None
        if tenant_id is None:
            raise ProviderOff
        return str(tenant_id)

    async def start(call: Call) -> Answer:
        return await redirects.leave(login.start(await key_of(call), errand_of(call.query), call.origin))

    async def callback(call: Call) -> Answer:
        binding = redirects.leaving.read(call) or ""
        return await redirects.arrive(login.finish(await key_of(call), reply_of(call.query), binding, call.origin))

    return rows(f"{BROWSER_PATH}/sso/{{tenant_slug}}", start, callback, "a tenant's own provider", named=True)
