"""GET and POST /account/profile."""

from __future__ import annotations

from typing import Annotated

import msgspec

from identry.core import time_zones
from identry.flows.profile.service import OwnProfile
from identry.pages import LANGUAGES
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.validation import FullName, Phone, optional_line
from identry_kit.apierror import APIError

_PATH = f"{HOME}/profile"


def _picture(value: str) -> str:
    """An https address of an image; empty clears it."""
    text = value.strip()
    if text and not text.startswith("https://"):
        raise ValueError("must be an https:// address")
    if any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError("must be an address")
    return text


def _language(value: str) -> str:
    if value and value not in LANGUAGES:
        raise ValueError("is not a language of these pages")
    return value


def _time_zone(value: str) -> str:
    if value and value not in time_zones.names():
        raise ValueError("is not a time zone")
    return value


Line = Annotated[str, msgspec.Meta(max_length=200, extra={"check": optional_line})]


class ProfileForm(msgspec.Struct):
    """All of the profile; a field that is left empty is cleared."""

    full_name: FullName
    phone_number: Phone = ""
    profile_picture_url: Annotated[str, msgspec.Meta(max_length=2048, extra={"check": _picture})] = ""
    language: Annotated[str, msgspec.Meta(max_length=35, extra={"check": _language})] = ""
    timezone: Annotated[str, msgspec.Meta(max_length=64, extra={"check": _time_zone})] = ""
    job_title: Line = ""
    department: Line = ""
    company: Line = ""
    country: Line = ""


def operations(own: OwnProfile, account: AccountPages) -> list[Operation]:
    """The room's pages."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        told = await own.show(call.actor.user)
        return await account.show(
            call, "profile", "profile", error, told=told, speaks=LANGUAGES, zones=time_zones.by_region()
        )

    async def save(call: Call) -> Answer:
        body: ProfileForm = call.body
        changes = {name: value or None for name, value in msgspec.structs.asdict(body).items()}
        await own.change(call.actor.user, changes, call.actor.session_id, call.origin)
        return account.done(_PATH, "profile.saved", account.pages.speaking(body.language))

    return [
        account.page(_PATH, show, "Your profile"),
        account.form(_PATH, save, show, "Change your profile", body=ProfileForm),
    ]
