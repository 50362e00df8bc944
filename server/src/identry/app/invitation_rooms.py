"""The rooms of a tenant's invitations and of its authentication settings, and what accepts an invitation."""

from __future__ import annotations

from identry.app.engines import Engines
from identry.flows.accept_invitation.acceptance import InvitationAcceptance, InvitationUsed, Ways
from identry.flows.accept_invitation.service import AcceptInvitation
from identry.flows.tenant_invitations import routes as tenant_invitations
from identry.flows.tenant_invitations.service import Policy, TenantInvitations
from identry.flows.tenant_settings import routes as tenant_settings
from identry.flows.tenant_settings.service import AuthSettings, TenantSettings
from identry.records import sso_configs
from identry.settings import Settings
from identry.signin import SignIn
from identry.web.operations import Operation
from identry_kit.apierror import APIError

OWN_SIGN_IN = sso_configs.is_enabled
"""Knows whether a tenant has a sign-in of its own."""


def acceptance(settings: Settings, e: Engines, used: type[APIError] = InvitationUsed) -> InvitationAcceptance:
    """What accepts an invitation in somebody else's transaction; `used` is the surface's word for an accepted one."""
    return InvitationAcceptance(
        e.clock,
        e.audit,
        password_login=settings.auth_policy == "standard",
        domains=settings.auth_allowed_email_domains,
        used=used,
    )


def accepting(
    settings: Settings, e: Engines, signin: SignIn, used: type[APIError] = InvitationUsed
) -> AcceptInvitation:
    """Accepts by password, and signs in on the surface of `signin`."""
    return AcceptInvitation(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.passwords,
        e.new_passwords,
        signin,
        acceptance(settings, e, used),
        Ways(settings.auth_policy == "standard", settings.microsoft_login, OWN_SIGN_IN),
    )


def tenant_administration(settings: Settings, e: Engines) -> list[Operation]:
    """Where a tenant's administrators invite people and say how these sign in."""
    policy = Policy(settings.invitation_ttl, settings.auth_allowed_email_domains)
    invitations = TenantInvitations(e.db, e.clock, e.audit, e.limiter, e.outbox, policy)
    floor = AuthSettings(settings.auth_policy, list(settings.auth_allowed_email_domains), settings.mfa_required)
    sign_in = TenantSettings(
        e.db,
        e.clock,
        e.audit,
        e.tenant_access,
        floor,
        microsoft=settings.microsoft_login,
        own_sign_in=OWN_SIGN_IN,
    )
    return [
        *tenant_invitations.operations(invitations, e.clock, mail_leaves=not e.sender.is_off),
        *tenant_settings.operations(sign_in),
    ]
