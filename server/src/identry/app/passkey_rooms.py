"""The rooms of passkeys: there where browsers can have any, which needs an app with a domain."""

from __future__ import annotations

from urllib.parse import urlsplit

from identry.app import account_services
from identry.app.engines import Engines
from identry.browser import Replies
from identry.core.passkeys import RelyingParty
from identry.flows.passkey_login import routes as passkey_login
from identry.flows.passkey_login.service import PasskeyLogin
from identry.flows.passkey_register import routes as passkey_register
from identry.flows.passkey_register.service import RegisterPasskey
from identry.flows.passkeys import routes as passkeys
from identry.records.passkey_challenges import TTL
from identry.settings import Settings
from identry.settings.passkeys import covers
from identry.signin import SignIn
from identry.web.cookies import passkey_cookie
from identry.web.operations import Operation
from identry.web.origin_check import origin_of


def passkey_rooms(settings: Settings, e: Engines, signin: SignIn, replies: Replies) -> list[Operation]:
    """The operation table of `/api/v1/auth/passkeys`."""
    if not settings.passkey_domain:
        return []
    party = RelyingParty(settings.passkey_domain, _origins(settings))
    local_login = settings.auth_policy == "standard"
    cookie = passkey_cookie(
        same_site=settings.refresh_cookie_samesite,
        secure=settings.browser_api_url.startswith("https:"),
        seconds=int(TTL.total_seconds()),
    )
    login = PasskeyLogin(e.db, e.clock, e.audit, e.limiter, party, signin, local_login=local_login)
    register = RegisterPasskey(e.db, e.clock, e.audit, e.limiter, e.outbox, party, signin)
    own = account_services.own_passkeys(settings, e)
    return [
        *passkey_login.operations(login, replies, party, cookie),
        *passkey_register.operations(register, replies, party, settings.mfa_issuer),
        *passkeys.operations(own, party),
    ]


def page_party(settings: Settings) -> RelyingParty | None:
    """Passkeys on the hosted pages; None where these are not of the passkeys' domain."""
    host = urlsplit(settings.issuer_url).hostname or ""
    if not settings.passkey_domain or not covers(settings.passkey_domain, host):
        return None
    return RelyingParty(settings.passkey_domain, [origin_of(settings.issuer_url)])


def _origins(settings: Settings) -> list[str]:
    """Pages of our own that may use the passkeys: those of the domain and below it."""
    known = (settings.browser_app_url, settings.browser_api_url, settings.issuer_url, *settings.allow_origins)
    return [origin_of(url) for url in known if covers(settings.passkey_domain, urlsplit(url).hostname or "")]
