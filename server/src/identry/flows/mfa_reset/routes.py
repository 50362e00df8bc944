"""DELETE /api/v1/users/{id}/mfa."""

from __future__ import annotations

from identry.flows.mfa_reset.service import (
    PERMISSION,
    MfaReset,
    NotEnabled,
    NotYourself,
    PersonUnknown,
    SharedAccount,
)
from identry.permissions import BeyondOwnRights, PermissionDenied
from identry.web.call import Call
from identry.web.operations import Guard, Operation


def operations(reset: MfaReset) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> bytes:
        await reset(call.actor.user, call.tenant_id, call.path["user_id"], call.origin)
        return b""

    return [
        Operation(
            "DELETE",
            "/api/v1/users/{user_id:uuid}/mfa",
            handle,
            "Remove somebody's second factor",
            tag="Tenant users",
            surface="browser",
            guard=Guard.BROWSER,
            permission=PERMISSION,
            sensitive=True,
            status=204,
            errors=(PermissionDenied, BeyondOwnRights, NotYourself, SharedAccount, PersonUnknown, NotEnabled),
            description="For somebody who lost app and recovery codes. Every session of the person ends, and the "
            "person gets mail. Where a second factor is demanded, the next sign-in sets one up.",
        )
    ]
