"""What the pages are made of: looks, texts, guards of their forms, and the browser's session."""

from __future__ import annotations

from dataclasses import dataclass

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.secrets import RootSecret
from identry.oauth.browser_session import BrowserSessions, cookie_name
from identry.pages import Brand, Catalog
from identry.settings import Settings
from identry.tokens import RefreshTokens
from identry.web.cookies import Cookie
from identry.web.origin_check import origin_of
from identry.web.page_forms import FormGuard
from identry.web.page_guard import PageGuard
from identry.web.pages import Pages


@dataclass(frozen=True, slots=True)
class PageEngines:
    """There where the provider is.

    Attributes:
        pages: makes answers.
        forms: guards what pages send.
        sessions: finds the browser's session.
        cookie: holds it.
        guard: of pages that are somebody's own.
        secure: whether browsers reach the pages over TLS.
    """

    pages: Pages
    forms: FormGuard
    sessions: BrowserSessions
    cookie: Cookie
    guard: PageGuard
    secure: bool


def page_engines(
    settings: Settings, db: Database, clock: Clock, root: RootSecret, browser_tokens: RefreshTokens
) -> PageEngines:
    """Made with the other engines of the provider."""
    secure = settings.issuer_url.startswith("https:")
    addresses = (settings.issuer_url, settings.browser_api_url, settings.frontend_url)
    forms = FormGuard(root.derive("page-forms"), {origin_of(url) for url in addresses if url}, secure=secure)
    house = Brand(settings.pages_name, settings.pages_color, settings.pages_logo_url)
    sessions = BrowserSessions(
        db,
        clock,
        browser_tokens,
        settings.browser_session_idle,
        mfa_required=settings.mfa_required,
        password_login=settings.auth_policy == "standard",
    )
    seconds = int(settings.browser_session_ttl.total_seconds())
    cookie = Cookie(cookie_name(secure=secure), "/", seconds, "Lax", secure)
    return PageEngines(
        Pages(house, Catalog.load(), forms, secure=secure),
        forms,
        sessions,
        cookie,
        PageGuard(sessions, cookie, forms),
        secure,
    )
