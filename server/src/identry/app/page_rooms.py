"""The rooms as pages for people: the same services as the other surfaces', in the browser's own session."""

from __future__ import annotations

from typing import get_args

from identry.app import account_services
from identry.app.authorization_rooms import consent_service, request_cookie, who_asks
from identry.app.browser_rooms import demands
from identry.app.engines import Engines
from identry.app.federation_rooms import federated, redirects_of, tenant_of
from identry.app.invitation_rooms import accepting
from identry.app.passkey_rooms import page_party
from identry.app.people_rooms import app_invitations, people_signin, signing_up
from identry.app.provider_engines import ProviderEngines
from identry.app.sign_up_rooms import page_password_resets, registration
from identry.app.token_rooms import device_authorization
from identry.app_refusals import UnknownApplication
from identry.core.known_devices import SECONDS_KNOWN
from identry.core.limits import APP_ACCOUNT_FAILURES, BROWSER_MFA_VERIFY, PAGE_LOGIN
from identry.core.origin import Origin
from identry.flows.accept_invitation import pages as accept_invitation
from identry.flows.accept_invitation.acceptance import InvitationGone
from identry.flows.app_invitation import pages as app_invitation
from identry.flows.check_method import pages as check_method
from identry.flows.check_method.service import CheckMethod
from identry.flows.consent import pages as consent
from identry.flows.device import pages as device_pages
from identry.flows.exchange import pages as exchange
from identry.flows.exchange.service import Exchange
from identry.flows.federated_login import pages as federated_login
from identry.flows.federated_login.refusals import Code
from identry.flows.login import pages as login
from identry.flows.login.service import Login
from identry.flows.logout import pages as logout
from identry.flows.magic_link import pages as magic_link
from identry.flows.magic_link.sending import SendMagicLink
from identry.flows.magic_link.verification import SignInByLink
from identry.flows.mfa import pages as mfa
from identry.flows.mfa.service import VerifyMfa
from identry.flows.mfa_setup import pages as mfa_setup
from identry.flows.page_addresses import routes as page_addresses
from identry.flows.passkey_login import pages as passkey_login
from identry.flows.passkey_login.service import PasskeyLogin
from identry.flows.passkey_register import pages as passkey_register
from identry.flows.passkey_register.service import RegisterPasskey
from identry.flows.password_reset import pages as password_reset
from identry.flows.register import pages as register
from identry.flows.signup import pages as signup_pages
from identry.flows.signup.service import Asked, DomainNotAllowed, EmailExists, SignupDisabled
from identry.flows.signup.verification import VerifyEmail
from identry.hosted import Doors, Hosted, Settle, Steps, WhoAsks, nobody_asks
from identry.oauth.browser_session import CookieMint
from identry.records.clients import Client
from identry.records.one_time_tokens import Purpose
from identry.settings import Settings
from identry.signin import SignIn, Surface
from identry.web.cookies import device_cookie
from identry.web.operations import Operation
from identry.web.origin_check import origin_of


def page_signin(settings: Settings, e: Engines, p: ProviderEngines) -> SignIn:
    """Makes the browser's single sign-on sessions; every way to sign in on a page ends in it."""
    surface = Surface(
        CookieMint(e.clock),
        p.browser_tokens,
        settings.browser_session_ttl,
        Purpose.PAGES_MFA_TICKET,
        guided=True,
        setup=Purpose.PAGES_MFA_SETUP,
    )
    return SignIn(e.db, e.clock, e.audit, surface, demands(settings, e))


def hosted(e: Engines, p: ProviderEngines, who_asks: WhoAsks = nobody_asks) -> Hosted:
    """Shows the pages of a sign-in, and ends it."""
    h = p.pages
    settle = Settle(e.db, h.sessions, e.marks)
    return Hosted(h.pages, h.sessions, settle, h.cookie, Steps(secure=h.secure), who_asks)


def page_rooms(settings: Settings, e: Engines, p: ProviderEngines) -> list[Operation]:
    """The operation table of the pages."""
    password_login = settings.auth_policy == "standard"
    signin = page_signin(settings, e, p)
    shown = hosted(e, p, who_asks(e, p))
    elsewhere = returns_here(settings, e)
    doors = Doors(
        password=password_login,
        link=password_login and e.sender.sends,
        sign_up=settings.public_registration_enabled and password_login,
        sign_up_at_application=settings.signup_enabled,
        passkey=page_party(settings) is not None and password_login,
        sso=elsewhere and e.tenant_providers is not None,
        microsoft=elsewhere and settings.microsoft_login,
    )
    return [
        *p.pages.pages.files(),
        *page_addresses.operations(),
        *_steps(settings, e, p, signin, shown, doors),
        *(_by_link(settings, e, signin, shown) if doors.link else []),
        *(_from_elsewhere(settings, e, signin, shown, doors) if elsewhere else []),
        *register.operations(registration(settings, e), shown, doors, _at_application(settings, e), _AT_APPLICATION),
        *signup_pages.operations(VerifyEmail(e.db, e.clock, e.audit, e.limiter), shown),
        *password_reset.operations(page_password_resets(settings, e), shown),
        *app_invitation.operations(app_invitations(settings, e, people_signin(settings, e, p)), signin, shown),
        *logout.operations(shown),
        *device_pages.operations(device_authorization(settings, e, p), shown),
        *consent.operations(consent_service(settings, e, p), shown, request_cookie(p)),
        *accept_invitation.operations(accepting(settings, e, signin, InvitationGone), shown),
    ]


_AT_APPLICATION = (UnknownApplication, DomainNotAllowed, EmailExists, SignupDisabled)
"""Why nobody gets an account of an application."""


def _at_application(settings: Settings, e: Engines) -> register.AtApplication:
    sign_up = signing_up(settings, e)

    async def make(client: Client, form: register.SignUpForm, origin: Origin) -> None:
        await sign_up(Asked(form.full_name, form.email, form.password, client.client_id), origin)

    return make


def _steps(
    settings: Settings, e: Engines, p: ProviderEngines, signin: SignIn, shown: Hosted, doors: Doors
) -> list[Operation]:
    """The sign-in: password or passkey, then what else is demanded."""
    party = page_party(settings)
    sign_in, second = login.sign_in_page(shown, doors), mfa.verify_page(shown)
    demanded = mfa_setup.set_up_page(shown, passkey=party is not None)
    device = device_cookie(same_site="lax", secure=p.pages.secure, seconds=SECONDS_KNOWN)
    tickets, setups = Purpose.PAGES_MFA_TICKET, Purpose.PAGES_MFA_SETUP
    password = Login(
        e.db,
        e.clock,
        e.audit,
        e.login_limiter,
        e.passwords,
        signin,
        password_login=doors.password,
        tries=PAGE_LOGIN,
        failures=APP_ACCOUNT_FAILURES,
        devices=e.devices,
    )
    code = VerifyMfa(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.second_factors,
        signin,
        ticket=tickets,
        tries=BROWSER_MFA_VERIFY,
    )
    setup = account_services.mfa_setup(settings, e, signin, ticket=setups)
    rows = [
        *login.operations(password, shown, sign_in, e.devices, device),
        *mfa.operations(code, shown, second),
        *mfa_setup.operations(setup, shown, demanded),
    ]
    if party:
        passkey = PasskeyLogin(
            e.db, e.clock, e.audit, e.limiter, party, signin, local_login=doors.password, ticket=tickets
        )
        register = RegisterPasskey(e.db, e.clock, e.audit, e.limiter, e.outbox, party, signin, ticket=setups)
        rows += passkey_login.operations(passkey, shown, party, sign_in, second)
        rows += passkey_register.operations(register, shown, party, settings.mfa_issuer, demanded)
    return rows


def _by_link(settings: Settings, e: Engines, signin: SignIn, shown: Hosted) -> list[Operation]:
    """Sign-in by a mailed link."""
    send = SendMagicLink(e.db, e.clock, e.audit, e.limiter, e.outbox, local_login=True)
    sign_in = SignInByLink(e.db, e.clock, e.audit, e.limiter, e.marks, signin)
    return magic_link.operations(send, sign_in, shown, settings.issuer_url)


def returns_here(settings: Settings, e: Engines) -> bool:
    """Whether sign-ins at providers come back to these pages: their cookies have to be of one host."""
    return e.browser is not None and origin_of(settings.browser_api_url) == origin_of(settings.issuer_url)


def _from_elsewhere(settings: Settings, e: Engines, signin: SignIn, shown: Hosted, doors: Doors) -> list[Operation]:
    """Sign-in at providers."""
    leave, providers = federated(settings, e)
    redirects = redirects_of(settings)
    ways = CheckMethod(
        e.db,
        e.limiter,
        password_login=True,  # what it says of passwords is not shown; a domain's provider is, under any policy
        microsoft=settings.microsoft_login,
        login_url=lambda slug: f"/login/sso/{slug}",
    )
    arrive = Exchange(e.db, e.clock, e.audit, e.limiter, providers, signin)
    return [
        *check_method.operations(ways, shown, doors),
        *federated_login.operations(
            leave,
            shown,
            redirects.leaving,
            tenant_of(e) if doors.sso else None,
            microsoft=doors.microsoft,
        ),
        *exchange.operations(arrive, shown, redirects.arriving, frozenset(get_args(Code))),
    ]
