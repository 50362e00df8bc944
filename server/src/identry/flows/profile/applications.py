"""GET /api/userinfo and GET, PUT, PATCH /api/profile: the caller's own profile, through an application."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from identry.flows.profile.service import OwnProfile
from identry.oauth import people
from identry.oauth.errors import InsufficientScope
from identry.oauth.people import FullProfile, InvalidProfile
from identry.refusals import CredentialsChanged
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.provider_guard import require_agreed

_Text = str | None | UnsetType


class ProfileUpdate(msgspec.Struct):
    """What changes; what is not sent stays as it is, an empty text clears (the name cannot be cleared)."""

    name: _Text = UNSET
    title: _Text = UNSET
    division: _Text = UNSET
    company: _Text = UNSET
    country: _Text = UNSET
    phone: _Text = UNSET
    job_title: _Text = UNSET
    department: _Text = UNSET
    language: _Text = UNSET
    timezone: _Text = UNSET
    avatar_url: _Text = UNSET


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
        checked = people.checked(_sent(call.body))
        changes = {people.OF_USER.get(name, name): value for name, value in checked.items()}
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
            body=ProfileUpdate,
            errors=(InvalidProfile, InsufficientScope, CredentialsChanged),
            description="`PUT` changes what is sent, as `PATCH` does. Never the address, the password or a role.",
            example={"job_title": "Analyst", "timezone": "Europe/Berlin"},
            **_COMMON,
        )
        for method in ("PUT", "PATCH")
    ]


def _sent(body: ProfileUpdate) -> dict[str, str | None]:
    """The fields that were sent."""
    return {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
