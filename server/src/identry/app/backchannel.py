"""The task that tells applications of ended sessions, and the way to them."""

from __future__ import annotations

from identry.app.engines import Engines
from identry.app.provider_engines import ProviderEngines
from identry.core.outbound import JsonClient
from identry.core.public_network import PublicNetwork
from identry.flows.backchannel_logout.service import BackchannelLogout
from identry.settings import Settings

_TIMEOUT = 5.0
_ANSWER = 64 * 1024


def backchannel_logout(settings: Settings, e: Engines, p: ProviderEngines) -> BackchannelLogout:
    """Made with the process, started by its lifespan."""
    network = PublicNetwork(settings.backchannel_logout_networks, plain_http=settings.is_development)
    http = JsonClient(timeout=_TIMEOUT, max_bytes=_ANSWER, transport=network)
    return BackchannelLogout(e.db, e.clock, p.mint, http)
