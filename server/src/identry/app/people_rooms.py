"""The rooms in which people of applications sign up, sign in and look after themselves, in JSON."""

from __future__ import annotations

from identry.app import account_services
from identry.app.browser_rooms import demands
from identry.app.engines import Engines
from identry.app.provider_engines import ProviderEngines
from identry.app.sign_up_rooms import app_password_resets
from identry.app_refusals import RefusedCode
from identry.app_signin import AppSignIn
from identry.core.limits import APP_ACCOUNT_FAILURES, APP_LOGIN
from identry.flows.app_invitation import routes as app_invitation
from identry.flows.app_invitation.service import AcceptAppInvitation
from identry.flows.login import applications as login
from identry.flows.login.applications import AccountLocked
from identry.flows.login.service import Login
from identry.flows.logout import applications as logout
from identry.flows.logout.service import Logout
from identry.flows.magic_link import routes as magic_link
from identry.flows.magic_link.sending import SendMagicLink
from identry.flows.magic_link.verification import VerifyMagicLink
from identry.flows.mfa_change import applications as mfa_change
from identry.flows.mfa_setup import applications as mfa_setup
from identry.flows.password_reset import applications as password_reset
from identry.flows.profile import applications as profile
from identry.flows.profile.service import OwnProfile
from identry.flows.refresh import applications as refresh
from identry.flows.refresh.public import RefreshPublic
from identry.flows.signup import routes as signup
from identry.flows.signup.service import Signup
from identry.flows.signup.verification import VerifyEmail
from identry.settings import Settings
from identry.signin import SignIn, Surface
from identry.web.operations import Operation


def people_rooms(settings: Settings, e: Engines, p: ProviderEngines) -> list[Operation]:
    """The operation table of `/api/auth` and `/api/profile`."""
    signin = app_clearance(settings, e, p)
    people = AppSignIn(e.db, e.clock, e.audit, e.second_factors, signin, p.grants)
    return [
        *_sign_up(settings, e),
        *login.operations(app_login(settings, e, signin), people, e.devices),
        *logout.operations(Logout(e.db, e.clock, e.audit, p.refresh_tokens, e.marks)),
        *refresh.operations(RefreshPublic(e.db, e.worker_limiter, p.refresh_tokens, p.refreshing, p.grants)),
        *password_reset.operations(app_password_resets(settings, e)),
        *profile.operations(OwnProfile(e.db, e.clock, e.audit)),
        *_second_factor(settings, e, signin),
        *app_invitation.operations(app_invitations(settings, e, people)),
        *magic_link.operations(VerifyMagicLink(e.db, e.clock, e.audit, e.limiter, e.marks, people)),
    ]


def app_clearance(settings: Settings, e: Engines, p: ProviderEngines) -> SignIn:
    """Asks the gates of a sign-in at an application; its session is a grant, which `AppSignIn` opens."""
    surface = Surface(e.mint, p.refresh_tokens, p.lifetimes.refresh, ticket=None)
    return SignIn(e.db, e.clock, e.audit, surface, demands(settings, e))


def people_signin(settings: Settings, e: Engines, p: ProviderEngines) -> AppSignIn:
    """Clears people of an application, and opens their grants."""
    return AppSignIn(e.db, e.clock, e.audit, e.second_factors, app_clearance(settings, e, p), p.grants)


def app_login(settings: Settings, e: Engines, signin: SignIn) -> Login:
    """Proves passwords at applications."""
    return Login(
        e.db,
        e.clock,
        e.audit,
        e.login_limiter,
        e.passwords,
        signin,
        password_login=settings.auth_policy == "standard",
        tries=APP_LOGIN,
        failures=APP_ACCOUNT_FAILURES,
        locked=AccountLocked,
        devices=e.devices,
    )


def app_invitations(settings: Settings, e: Engines, people: AppSignIn) -> AcceptAppInvitation:
    """Takes invitations to applications."""
    return AcceptAppInvitation(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.passwords,
        e.new_passwords,
        e.marks,
        people,
        password_login=settings.auth_policy == "standard",
    )


def _second_factor(settings: Settings, e: Engines, signin: SignIn) -> list[Operation]:
    setup = account_services.mfa_setup(settings, e, signin, wrong=RefusedCode)
    change = account_services.mfa_change(settings, e, asks_password=False, wrong=RefusedCode)
    return [*mfa_setup.operations(setup), *mfa_change.operations(change)]


def people_admin_rooms(settings: Settings, e: Engines) -> list[Operation]:
    """What applications ask for on behalf of their people, on the admin port."""
    local_login = settings.auth_policy == "standard"
    send = SendMagicLink(e.db, e.clock, e.audit, e.limiter, e.outbox, local_login=local_login)
    return magic_link.service_operations(send, show_link=settings.is_development)


def _sign_up(settings: Settings, e: Engines) -> list[Operation]:
    sign_up = signing_up(settings, e)
    verify = VerifyEmail(e.db, e.clock, e.audit, e.limiter)
    return signup.operations(sign_up, verify, issuer_url=settings.issuer_url, show_link=settings.is_development)


def signing_up(settings: Settings, e: Engines) -> Signup:
    """Makes accounts of applications."""
    return Signup(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.new_passwords,
        e.outbox,
        settings.email_token_ttl,
        enabled=settings.signup_enabled,
        hide_existing=settings.signup_hide_existing,
        password_login=settings.auth_policy == "standard",
        domains=settings.auth_allowed_email_domains,
        tenant_of_domain=e.tenant_providers.mappings.tenant_of_domain if e.tenant_providers else None,
    )
