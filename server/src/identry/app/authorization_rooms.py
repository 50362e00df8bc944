"""The rooms through which a browser goes on its way to an application, and out again."""

from __future__ import annotations

from identry.app.engines import Engines
from identry.app.provider_engines import ProviderEngines
from identry.flows.authorize import routes as authorize
from identry.flows.authorize.service import Authorize
from identry.flows.consent import routes as consent
from identry.flows.consent.service import Consent
from identry.flows.end_session import routes as end_session
from identry.flows.end_session.service import EndSession
from identry.flows.pushed_request import routes as pushed_request
from identry.flows.pushed_request.service import PushedRequest
from identry.hosted import Asking, WhoAsks
from identry.oauth.client_proof import ClientProof
from identry.oauth.id_token_hint import IdTokenHints
from identry.oauth.request_checks import RequestChecks
from identry.oauth.waiting import BINDING_COOKIE, WaitingRequests
from identry.settings import Settings
from identry.web.authorization import binding_cookie
from identry.web.call import Call
from identry.web.cookies import Cookie
from identry.web.operations import Operation


def request_cookie(p: ProviderEngines) -> Cookie:
    """The cookie that ties requests which wait to their browser."""
    return binding_cookie(BINDING_COOKIE, secure=p.pages.secure)


def consent_service(settings: Settings, e: Engines, p: ProviderEngines) -> Consent:
    """What the consent page asks."""
    waiting = WaitingRequests(e.db, e.clock)
    return Consent(e.db, e.clock, e.audit, waiting, p.pages.sessions, issuer=settings.issuer_url)


def who_asks(e: Engines, p: ProviderEngines) -> WhoAsks:
    """Tells pages which application sent the person to them."""
    waiting, binding = WaitingRequests(e.db, e.clock), request_cookie(p)

    async def asking(handle: str, call: Call) -> Asking | None:
        found = await waiting.find(handle, binding.read(call))
        if found is None:
            return None
        request = found.request
        return Asking(found.client, request.redirect_uri, request.login_hint, request.ui_locales)

    return asking


def authorization_rooms(settings: Settings, e: Engines, p: ProviderEngines, proof: ClientProof) -> list[Operation]:
    """The operation table of the authorization endpoint and what belongs to it."""
    issuer = settings.issuer_url
    session, binding = p.pages.cookie, request_cookie(p)
    hints = IdTokenHints(e.ring, issuer=issuer)
    checks, waiting = RequestChecks(e.db, e.clock, hints, issuer=issuer), WaitingRequests(e.db, e.clock)
    answering = Authorize(e.db, e.clock, e.limiter, checks, waiting, p.pages.sessions, issuer=issuer)
    return [
        *authorize.operations(answering, authorize.Cookies(session, binding)),
        *consent.operations(consent_service(settings, e, p), session, binding, p.pages.forms),
        *end_session.operations(
            EndSession(e.db, e.clock, e.audit, e.marks, p.pages.sessions, hints), session, p.pages.forms
        ),
        *pushed_request.operations(PushedRequest(e.limiter, proof, checks, waiting)),
    ]
