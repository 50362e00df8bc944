"""What the provider has for itself; there where `OAUTH_ISSUER` is set."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from identry.app.page_engines import PageEngines, page_engines
from identry.core import jose
from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.secrets import RootSecret
from identry.oauth.access_tokens import AccessTokens
from identry.oauth.client_proof import ClientProof
from identry.oauth.codes import Redeeming
from identry.oauth.dpop import Dpop
from identry.oauth.grants import Grants, Lifetimes
from identry.oauth.refreshing import GRANTS, Refreshing
from identry.oauth.standing import Extras
from identry.records.audit import Audit
from identry.records.keys import KeyRing
from identry.rotation import Rotation
from identry.settings import Settings
from identry.tokens import ProviderMint, RefreshTokens
from identry_kit.jwtauth import ANY_AUDIENCE, Verifier

_LEEWAY = 30.0


@dataclass(frozen=True, slots=True)
class ProviderEngines:
    """What the provider has for itself.

    Attributes:
        tokens: judges its own access tokens, for whichever client they are.
        dpop: judges proofs of possession.
        proof: tells which client is calling.
        grants: opens grants to clients and makes their tokens.
        redeeming: turns a client's code into a grant.
        refreshing: turns a client's refresh token into its next tokens.
        lifetimes: of tokens and grants.
        mint: signs its tokens.
        refresh_tokens: of clients' grants.
        browser_tokens: of browsers' single sign-on sessions: what their cookie holds.
        pages: what the pages are made of.
        device_key: under which the user codes of devices are hashed.
    """

    tokens: AccessTokens
    dpop: Dpop
    proof: ClientProof
    grants: Grants
    redeeming: Redeeming
    refreshing: Refreshing
    lifetimes: Lifetimes
    mint: ProviderMint
    refresh_tokens: RefreshTokens
    browser_tokens: RefreshTokens
    pages: PageEngines
    device_key: bytes


def provider_engines(
    settings: Settings,
    db: Database,
    audit: Audit,
    marks: RevocationMarks,
    ring: KeyRing,
    root: RootSecret,
    clock: Clock,
    plan: str,
) -> ProviderEngines | None:
    """The engines, or None where there is no provider; `plan` is that of tenants that bought nothing."""
    if not settings.issuer_url:
        return None
    verifier = Verifier(
        ring,
        issuer=settings.issuer_url,
        audience=ANY_AUDIENCE,  # its own endpoints serve every client; whose token it is follows from its session
        algorithms=jose.ALGORITHMS,
        leeway=_LEEWAY,
        required=("sub", "jti", "type", "scope"),
        clock=clock.timestamp,
    )
    mint = ProviderMint(ring.signer, issuer=settings.issuer_url, clock=clock)
    refresh_tokens, browser_tokens = RefreshTokens(root, "provider"), RefreshTokens(root, "pages")
    lifetimes = Lifetimes(
        settings.oauth_access_token_ttl, settings.oauth_refresh_token_ttl, settings.longest_access_token
    )
    extras = Extras(settings.provider_uuid_claim, settings.claims_namespace.rstrip("/") + "/", plan)
    grants = Grants(clock, mint, refresh_tokens, lifetimes, extras)
    rotation = Rotation(
        db,
        clock,
        audit,
        refresh_tokens,
        marks,
        settings.refresh_grace,
        GRANTS,
        mfa_required=settings.mfa_required,
    )
    return ProviderEngines(
        tokens=AccessTokens(verifier, marks, db, clock),
        dpop=Dpop(db, clock, (settings.issuer_url, _admin_origin(settings))),
        proof=ClientProof(db, clock, _assertion_audiences(settings.issuer_url)),
        grants=grants,
        redeeming=Redeeming(db, audit, grants),
        refreshing=Refreshing(rotation, grants),
        lifetimes=lifetimes,
        mint=mint,
        refresh_tokens=refresh_tokens,
        browser_tokens=browser_tokens,
        pages=page_engines(settings, db, clock, root, browser_tokens),
        device_key=root.derive("device-user-codes"),
    )


def _assertion_audiences(issuer: str) -> tuple[str, ...]:
    """What a client may call us when it proves itself: the issuer, or the endpoint (RFC 7523 §3, RFC 9126 §2)."""
    endpoints = ("token", "introspect", "revoke", "par", "device_authorization")
    return (issuer, *(f"{issuer}/oauth/{endpoint}" for endpoint in endpoints))


def _admin_origin(settings: Settings) -> str:
    """Where clients find the admin port: beside the issuer (contracts/provider-api.md §1)."""
    issuer = urlsplit(settings.issuer_url)
    host = f"[{issuer.hostname}]" if ":" in (issuer.hostname or "") else issuer.hostname
    return f"{issuer.scheme}://{host}:{settings.admin_listener}" if settings.admin_listener else settings.issuer_url
