"""What people do with their own account: the services that several surfaces have rooms for, each made in one way."""

from __future__ import annotations

from typing import Any

from identry.app.engines import Engines
from identry.flows.mfa_change.service import MfaChange
from identry.flows.mfa_setup.service import MfaSetup
from identry.flows.passkeys.service import OwnPasskeys
from identry.flows.password_change.service import PasswordChange
from identry.second_factor import FactorChanges
from identry.settings import Settings
from identry.signin import SignIn


def password_change(settings: Settings, e: Engines) -> PasswordChange:
    """Changes passwords."""
    return PasswordChange(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.passwords,
        e.new_passwords,
        e.outbox,
        e.marks,
        password_login=settings.auth_policy == "standard",
    )


def mfa_setup(settings: Settings, e: Engines, signin: SignIn, **more: Any) -> MfaSetup:
    """Sets authenticator apps up; `more` is what the surface of `signin` has of its own."""
    return MfaSetup(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.totp_secrets,
        e.second_factors,
        FactorChanges(e.clock, e.audit, e.outbox),
        e.marks,
        signin,
        issuer=settings.mfa_issuer,
        **more,
    )


def mfa_change(settings: Settings, e: Engines, **more: Any) -> MfaChange:
    """Changes and removes second factors; `more` is what the surface has of its own."""
    return MfaChange(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.passwords,
        e.second_factors,
        FactorChanges(e.clock, e.audit, e.outbox),
        e.outbox,
        e.marks,
        required=settings.mfa_required,
        **more,
    )


def own_passkeys(settings: Settings, e: Engines) -> OwnPasskeys:
    """Lists, renames and removes passkeys."""
    return OwnPasskeys(
        e.db,
        e.clock,
        e.audit,
        e.outbox,
        e.marks,
        local_login=settings.auth_policy == "standard",
        mfa_required=settings.mfa_required,
    )
