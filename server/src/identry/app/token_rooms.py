"""The rooms that turn grants into tokens, and those that tell and end what tokens are worth."""

from __future__ import annotations

from identry.app.engines import Engines
from identry.app.provider_engines import ProviderEngines
from identry.flows.device import routes as device
from identry.flows.device.service import DeviceAuthorization
from identry.flows.introspect import routes as introspect
from identry.flows.introspect.service import Introspect
from identry.flows.revoke import routes as revoke
from identry.flows.revoke.service import Revoke
from identry.flows.token import routes as token
from identry.flows.token.service import Token
from identry.flows.userinfo import routes as userinfo
from identry.flows.userinfo.service import TellUserinfo
from identry.settings import Settings
from identry.web.operations import Operation
from identry.web.provider_guard import ProviderBearer


def token_rooms(settings: Settings, e: Engines, p: ProviderEngines) -> list[Operation]:
    """The operation table of tokens."""
    bearer = ProviderBearer(p.tokens, p.dpop)
    return [
        *token.operations(
            Token(
                e.db,
                e.clock,
                e.marks,
                e.worker_limiter,
                p.proof,
                p.dpop,
                p.mint,
                p.grants,
                p.redeeming,
                p.refreshing,
                p.lifetimes,
            )
        ),
        *device.operations(device_authorization(settings, e, p)),
        *introspect.operations(Introspect(e.db, e.clock, p.proof, p.tokens, p.refresh_tokens)),
        *revoke.operations(Revoke(e.db, e.clock, e.audit, e.marks, p.proof, p.tokens, p.refresh_tokens), bearer),
        *userinfo.operations(TellUserinfo(e.db), bearer),
    ]


def device_authorization(settings: Settings, e: Engines, p: ProviderEngines) -> DeviceAuthorization:
    """What the device endpoint and the page `/device` share."""
    page = f"{settings.issuer_url}/device"
    return DeviceAuthorization(e.db, e.clock, e.audit, e.limiter, p.proof, page, p.device_key)
