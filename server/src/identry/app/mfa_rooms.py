"""The rooms of the second factor on the browser surface, beyond the sign-in itself."""

from __future__ import annotations

from identry.app import account_services
from identry.app.engines import Engines
from identry.browser import Replies
from identry.flows.mfa_change import routes as mfa_change
from identry.flows.mfa_reset import routes as mfa_reset
from identry.flows.mfa_reset.service import MfaReset
from identry.flows.mfa_setup import routes as mfa_setup
from identry.second_factor import FactorChanges
from identry.settings import Settings
from identry.signin import SignIn
from identry.web.operations import Operation


def mfa_rooms(settings: Settings, e: Engines, signin: SignIn, replies: Replies) -> list[Operation]:
    """Set-up, changes by the owner, reset by an administrator."""
    changes = FactorChanges(e.clock, e.audit, e.outbox)
    setup = account_services.mfa_setup(settings, e, signin)
    change = account_services.mfa_change(settings, e)
    return [
        *mfa_setup.operations(setup, replies),
        *mfa_change.operations(change),
        *mfa_reset.operations(MfaReset(e.db, e.clock, changes, e.marks)),
    ]
