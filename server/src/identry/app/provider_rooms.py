"""The rooms of the provider: OAuth 2.0 and OpenID Connect, the people of its applications."""

from __future__ import annotations

from identry.app.account_rooms import account_rooms
from identry.app.admin_rooms import registration_rooms
from identry.app.authorization_rooms import authorization_rooms
from identry.app.engines import Engines
from identry.app.page_rooms import page_rooms
from identry.app.people_rooms import people_rooms
from identry.app.provider_engines import ProviderEngines
from identry.app.token_rooms import token_rooms
from identry.settings import Settings
from identry.web.operations import Operation


def provider_rooms(settings: Settings, e: Engines, p: ProviderEngines) -> list[Operation]:
    """The operation table of the provider."""
    return [
        *authorization_rooms(settings, e, p, p.proof),
        *token_rooms(settings, e, p),
        *page_rooms(settings, e, p),
        *account_rooms(settings, e, p),
        *people_rooms(settings, e, p),
        *registration_rooms(settings, e),
    ]
