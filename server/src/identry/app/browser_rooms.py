"""The rooms of the browser surface: the same services as the platform's, with their own tokens, limits and skins."""

from __future__ import annotations

from datetime import timedelta

from identry.app import account_services
from identry.app.engines import BrowserEngines, Engines
from identry.app.federation_rooms import federation_rooms
from identry.app.invitation_rooms import accepting
from identry.app.mfa_rooms import mfa_rooms
from identry.app.passkey_rooms import passkey_rooms
from identry.app.sign_up_rooms import browser_password_resets
from identry.app.sso_rooms import login_url, sso_rooms
from identry.browser import Replies
from identry.core.known_devices import SECONDS_KNOWN
from identry.core.limits import BROWSER_LOGIN, BROWSER_MFA_VERIFY
from identry.flows.accept_invitation import browser as accept_invitation
from identry.flows.accept_invitation.acceptance import InvitationGone
from identry.flows.account import browser as account
from identry.flows.check_method import routes as check_method
from identry.flows.check_method.service import CheckMethod
from identry.flows.login import browser as login
from identry.flows.login.service import Login
from identry.flows.logout import browser as logout
from identry.flows.logout.service import Logout
from identry.flows.mfa import browser as mfa
from identry.flows.mfa.service import VerifyMfa
from identry.flows.password_change import routes as password_change
from identry.flows.password_reset import browser as password_reset
from identry.flows.refresh import browser as refresh
from identry.flows.refresh.service import Refresh
from identry.flows.register import browser as register
from identry.flows.register.service import Register
from identry.flows.sessions import routes as sessions
from identry.flows.sessions.service import OwnSessions
from identry.profile import Profiles
from identry.records.one_time_tokens import Purpose
from identry.settings import Settings
from identry.signin import Demands, SignIn, Surface
from identry.web.browser_guard import BrowserBearer
from identry.web.cookies import device_cookie, refresh_cookie
from identry.web.operations import Operation


def demands(settings: Settings, e: Engines) -> Demands:
    """What the deployment asks of every sign-in, on every surface."""
    return Demands(settings.auth_policy == "standard", settings.mfa_required, e.default_plan)


def browser_signin(settings: Settings, e: Engines, b: BrowserEngines) -> SignIn:
    """Makes browser sessions; every way to sign in on this surface ends in it."""
    horizon = timedelta(days=settings.refresh_token_expire_days)
    surface = Surface(b.mint, b.refresh_tokens, horizon, Purpose.BROWSER_MFA_TICKET, seated=True, guided=True)
    return SignIn(e.db, e.clock, e.audit, surface, demands(settings, e))


def browser_rooms(settings: Settings, e: Engines, b: BrowserEngines, sign_up: Register) -> list[Operation]:
    """The operation table of `/api/v1/auth`."""
    password_login = settings.auth_policy == "standard"
    signin = browser_signin(settings, e, b)
    same_site, secure = settings.refresh_cookie_samesite, settings.browser_api_url.startswith("https:")
    cookie = refresh_cookie(same_site=same_site, secure=secure, days=settings.refresh_token_expire_days)
    device = device_cookie(same_site=same_site, secure=secure, seconds=SECONDS_KNOWN)
    profiles = Profiles(e.db, e.clock, e.entitlements, plan=e.default_plan, mfa_required=settings.mfa_required)
    replies = Replies(cookie, profiles, device, e.devices)
    password = Login(
        e.db,
        e.clock,
        e.audit,
        e.login_limiter,
        e.passwords,
        signin,
        password_login=password_login,
        tries=BROWSER_LOGIN,
        devices=e.devices,
    )
    second_factor = VerifyMfa(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.second_factors,
        signin,
        ticket=Purpose.BROWSER_MFA_TICKET,
        tries=BROWSER_MFA_VERIFY,
    )
    rotation = Refresh(
        e.db,
        e.clock,
        e.audit,
        e.worker_limiter,
        b.mint,
        b.refresh_tokens,
        e.marks,
        settings.refresh_grace,
        e.default_plan,
        mfa_required=settings.mfa_required,
    )
    change = account_services.password_change(settings, e)
    join = accepting(settings, e, signin, used=InvitationGone)
    ways = CheckMethod(
        e.db,
        e.limiter,
        password_login=password_login,
        microsoft=settings.microsoft_login,
        login_url=lambda slug: login_url(settings, slug),
    )
    return [
        *login.operations(password, replies),
        *mfa.operations(second_factor, replies),
        *passkey_rooms(settings, e, signin, replies),
        *mfa_rooms(settings, e, signin, replies),
        *refresh.operations(rotation, replies),
        *logout.operations(
            Logout(e.db, e.clock, e.audit, b.refresh_tokens, e.marks),
            BrowserBearer(b.verifier, e.marks, e.db, e.clock),
            replies,
        ),
        *account.operations(replies, profiles),
        *sessions.operations(OwnSessions(e.db, e.clock, e.audit, e.marks)),
        *password_change.operations(change),
        *password_reset.operations(browser_password_resets(settings, e)),
        *register.operations(sign_up, join, accept_invitation.BROWSER_REFUSALS, replies),
        *accept_invitation.operations(join, replies),
        *check_method.operations(ways),
        *sso_rooms(settings, e, b.sso),
        *federation_rooms(settings, e, signin, replies),
    ]
