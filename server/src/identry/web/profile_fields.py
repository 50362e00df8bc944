"""The body of a profile update, wherever somebody's profile is written (contracts/provider-api.md §3)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

_Text = str | None | UnsetType


class ProfileFields(msgspec.Struct):
    """Fields of a profile to change, empty to clear (not the name); never the address, a password or roles."""

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


def sent(body: msgspec.Struct) -> dict[str, Any]:
    """The fields that were sent."""
    return {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
