"""Engines become services, services become rooms: the whole operation table, one room after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from identry import __version__
from identry.app.admin_rooms import admin_rooms, at_both_doors
from identry.app.browser_rooms import browser_rooms, demands
from identry.app.engines import Engines
from identry.app.invitation_rooms import accepting, tenant_administration
from identry.app.provider_rooms import provider_rooms
from identry.app.sign_up_rooms import password_resets, registration
from identry.flows.accept_invitation import routes as accept_invitation
from identry.flows.access import routes as access
from identry.flows.access.service import AccessResolver
from identry.flows.access_admin import routes as access_admin
from identry.flows.access_admin.service import AccessAdmin
from identry.flows.account import routes as account
from identry.flows.company_resolve import routes as company_resolve
from identry.flows.company_resolve.queries import FinanceCompanies
from identry.flows.company_resolve.service import CompanyResolve
from identry.flows.dev import routes as dev
from identry.flows.dev.service import Mailbox
from identry.flows.discovery import routes as discovery
from identry.flows.health import routes as health
from identry.flows.invite import routes as invite
from identry.flows.invite.service import Invite
from identry.flows.login import routes as login
from identry.flows.login.service import Login
from identry.flows.logout import routes as logout
from identry.flows.logout.service import Logout
from identry.flows.membership_admin import routes as membership_admin
from identry.flows.membership_admin.service import MembershipAdmin
from identry.flows.metrics import routes as metrics
from identry.flows.metrics.service import Metrics
from identry.flows.mfa import routes as mfa
from identry.flows.mfa.service import VerifyMfa
from identry.flows.openid_configuration import routes as openid_configuration
from identry.flows.password_reset import routes as password_reset
from identry.flows.rbac import routes as rbac
from identry.flows.rbac.explain import Explain
from identry.flows.rbac.service import Rbac
from identry.flows.reference import routes as reference
from identry.flows.refresh import routes as refresh
from identry.flows.refresh.service import Refresh
from identry.flows.register import routes as register
from identry.flows.support import routes as support
from identry.flows.support.service import Support
from identry.flows.tenant_users import routes as tenant_users
from identry.flows.tenant_users.service import TenantUsers
from identry.flows.user_admin import routes as user_admin
from identry.flows.user_admin.service import UserAdmin
from identry.pages import LANGUAGES
from identry.settings import Settings
from identry.signin import SignIn, Surface
from identry.web.guards import MachineKey
from identry.web.operations import Operation


def rooms(settings: Settings, e: Engines, figures: Metrics, draining: Callable[[], bool]) -> list[Operation]:
    """The operation table of a configuration: every room, one after the other."""
    access_key = MachineKey(tuple(key.reveal() for key in settings.access_keys), e.audit, e.db)
    companies = CompanyResolve(
        FinanceCompanies(e.finance, settings.migrate_company_table, settings.finance_columns) if e.finance else None,
        e.kv,
    )
    known_companies = companies if e.finance else None
    surface = Surface(e.mint, e.refresh_tokens, settings.refresh_token_ttl)
    signin = SignIn(e.db, e.clock, e.audit, surface, demands(settings, e))
    checks = {
        "postgres": lambda: e.db.fetchval("SELECT 1"),
        "redis": e.kv.ping if settings.redis_url else None,
        "finance": (lambda: finance.fetchval("SELECT 1")) if (finance := e.finance) else None,
    }
    served = [
        *at_both_doors(health.operations(checks, draining)),
        *discovery.operations(e.ring),
        *_account_rooms(settings, e, signin),
        *refresh.operations(
            Refresh(
                e.db,
                e.clock,
                e.audit,
                e.worker_limiter,
                e.mint,
                e.refresh_tokens,
                e.marks,
                settings.refresh_grace,
                mfa_required=settings.mfa_required,
            )
        ),
        *logout.operations(Logout(e.db, e.clock, e.audit, e.refresh_tokens, e.marks)),
        *account.operations(e.db, e.clock),
        *access.operations(AccessResolver(e.db, e.clock, e.kv, e.entitlements), access_key),
        *user_admin.operations(UserAdmin(e.db, e.clock, e.audit, e.new_passwords, e.outbox, e.marks)),
        *membership_admin.operations(MembershipAdmin(e.db, e.clock, e.audit, known_companies)),
        *invite.operations(
            Invite(
                e.db,
                e.clock,
                e.audit,
                e.outbox,
                settings.invitation_ttl,
                known_companies,
                settings.auth_allowed_email_domains,
            ),
            e.clock,
        ),
        *access_admin.operations(AccessAdmin(e.db, e.clock, e.audit, e.entitlements)),
        *(_tenant_rooms(settings, e) if e.browser else []),
        *(provider_rooms(settings, e, e.provider) if e.provider else []),
        *(admin_rooms(settings, e, e.provider) if e.provider else []),
        *(support.operations(Support(e.db, e.clock, e.audit, e.marks)) if settings.internal_api_key else []),
        *(company_resolve.operations(companies) if settings.internal_api_key else []),
    ]
    if e.provider:
        served += openid_configuration.operations(settings.issuer_url, e.ring, served, LANGUAGES)
    if settings.is_development:
        served += dev.operations(Mailbox(e.db, e.outbox, e.renderer))
        served += at_both_doors(metrics.operations(figures))
    elif settings.admin_listener:
        served += [replace(row, door="admin") for row in metrics.operations(figures)]
    return [*served, *reference.operations(served, version=__version__)]


def _tenant_rooms(settings: Settings, e: Engines) -> list[Operation]:
    """The rooms in which a tenant's own administrators work."""
    explain = Explain(e.db, e.entitlements, settings.auth_policy)
    return [
        *rbac.operations(Rbac(e.db, e.clock, e.audit, e.tenant_access), explain),
        *tenant_users.operations(TenantUsers(e.db, e.clock, e.audit, e.tenant_access)),
        *tenant_administration(settings, e),
    ]


def _account_rooms(settings: Settings, e: Engines, signin: SignIn) -> list[Operation]:
    """The rooms in which somebody gets an account, a password or a session."""
    password_login = settings.auth_policy == "standard"
    sign_up, reset = registration(settings, e), password_resets(settings, e)
    second_factor = VerifyMfa(e.db, e.clock, e.audit, e.limiter, e.second_factors, signin)
    return [
        *register.operations(sign_up),
        *login.operations(
            Login(e.db, e.clock, e.audit, e.login_limiter, e.passwords, signin, password_login=password_login)
        ),
        *mfa.operations(second_factor),
        *password_reset.operations(reset, expose_token=settings.expose_password_reset_token),
        *accept_invitation.operations(accepting(settings, e, signin)),
        *(browser_rooms(settings, e, e.browser, sign_up) if e.browser else []),
    ]
