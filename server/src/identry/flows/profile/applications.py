"""GET /api/userinfo and GET, PUT, PATCH /api/profile: the caller's own profile, through an application."""

from __future__ import annotations

from typing import Any

from identry.flows.profile.service import OwnProfile
from identry.oauth import people
from identry.oauth.errors import InsufficientScope
from identry.oauth.people import FullProfile, InvalidProfile
from identry.refusals import CredentialsChanged
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.profile_fields import ProfileFields, sent
from identry.web.provider_guard import require_agreed

_COMMON: dict[str, Any] = {
    "tag": "Accounts of applications",
    "surface": "api",
    "guard": Guard.APP_USER,
    "reply": FullProfile,
}


def operations(profile: OwnProfile) -> list[Operation]:
    """The room's rows of the provider surface."""

    async def read(call: Call) -> FullProfile:
        require_agreed(call, "profile", "api")
        return people.full(await profile.person(call.actor.user.id))

    async def change(call: Call) -> FullProfile:
        require_agreed(call, "profile", "api")
        changes = people.columns(people.checked(sent(call.body)))
        await profile.change(call.actor.user, changes, call.actor.session_id, call.origin)
        return people.full(await profile.person(call.actor.user.id))

    rows = [
        Operation(
            "GET", path, read, "The caller's own profile", errors=(InsufficientScope, CredentialsChanged), **_COMMON
        )
        for path in ("/api/userinfo", "/api/profile")
    ]
    return rows + [
        Operation(
            method,
            "/api/profile",
            change,
            "Change the caller's own profile",
            body=ProfileFields,
            errors=(InvalidProfile, InsufficientScope, CredentialsChanged),
            description="`PUT` changes what is sent, as `PATCH` does. Never the address, the password or a role.",
            example={"job_title": "Analyst", "timezone": "Europe/Berlin"},
            **_COMMON,
        )
        for method in ("PUT", "PATCH")
    ]
