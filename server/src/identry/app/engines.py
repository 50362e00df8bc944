"""Settings become engines: databases, limiters, hashing, mail, keys. Made here, opened by the lifespan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from identry import __version__
from identry.app.provider_engines import ProviderEngines, provider_engines
from identry.app.sso_engines import PROVIDER_ANSWER, PROVIDER_TIMEOUT, SsoEngines, sso_engines
from identry.core import jose
from identry.core.address import TrustedProxies
from identry.core.address_gate import AddressGate
from identry.core.clock import Clock, SystemClock
from identry.core.db import Database
from identry.core.known_devices import KnownDevices
from identry.core.kv import KV, MemoryKV, RevocationMarks
from identry.core.limits import Limiter
from identry.core.mail import Outbox, Renderer, Sender, choose_transport
from identry.core.metrics import RequestMetrics
from identry.core.new_passwords import NewPasswords
from identry.core.outbound import JsonClient
from identry.core.passwords import Argon2Params, Passwords
from identry.core.recovery_codes import RecoveryCodes
from identry.core.secrets import RootSecret, Sealer, root_secret
from identry.core.shared_secret import SharedSecret, SharedSecretVerifier
from identry.entitlements import BuiltInPlans, Catalogue, CoreEntitlements, Entitlements
from identry.federation.reach import PlatformKeys, TenantProviders
from identry.flows.rotate_keys.service import SigningKeys
from identry.permissions import TenantAccess
from identry.records import blocked_addresses
from identry.records.audit import Audit
from identry.records.factors import TotpSecrets
from identry.records.keys import KeyRing, KeySchedule
from identry.second_factor import SecondFactors
from identry.settings import Settings
from identry.tokens import BrowserMint, RefreshTokens, Signer, TokenMint
from identry.web.guards import TokenVerifier
from identry.web.origin_check import origin_of
from identry_kit.jwtauth import Verifier

if TYPE_CHECKING:
    from identry.core.tracing import Tracing

__all__ = ["BrowserEngines", "Engines", "ProviderEngines", "make_engines"]

log = structlog.get_logger("identry.app")

_LEEWAY = 30.0


@dataclass(frozen=True, slots=True)
class BrowserEngines:
    """What the browser surface has for itself; there where `/api/v1` is served."""

    verifier: TokenVerifier
    mint: BrowserMint
    refresh_tokens: RefreshTokens
    sso: SsoEngines


@dataclass(frozen=True, slots=True)
class Engines:
    """What services are made of. Made here, opened and closed by the lifespan."""

    clock: Clock
    db: Database
    finance: Database | None
    kv: KV
    marks: RevocationMarks
    addresses: AddressGate
    login_limiter: Limiter
    limiter: Limiter
    worker_limiter: Limiter
    entitlements: Entitlements
    core: JsonClient | None
    passwords: Passwords
    new_passwords: NewPasswords
    totp_secrets: TotpSecrets
    recovery_codes: RecoveryCodes
    second_factors: SecondFactors
    devices: KnownDevices
    audit: Audit
    outbox: Outbox
    renderer: Renderer
    sender: Sender
    keys: SigningKeys
    configured_key: jose.PrivateKey
    ring: KeyRing
    verifier: Verifier
    mint: TokenMint
    refresh_tokens: RefreshTokens
    browser: BrowserEngines | None
    provider: ProviderEngines | None
    default_plan: str
    tenant_access: TenantAccess
    pending_logins: Sealer
    providers: JsonClient
    provider_keys: PlatformKeys
    tenant_providers: TenantProviders | None
    requests: RequestMetrics
    tracing: Tracing | None


def make_engines(settings: Settings, clock: Clock, tenants: TenantProviders | None = None) -> Engines:
    """Every engine of a configuration; nothing is connected yet."""
    tracing = _tracing(settings, clock)
    db = Database(
        settings.database_url.reveal(),
        max_size=settings.db_pool_size,
        patience=settings.database_timeout.total_seconds(),
        on_statement=tracing.statement if tracing else None,
    )
    kv, fallback = _kv(settings, clock), MemoryKV(clock)
    core = _core(settings)
    catalogue = Catalogue.load(settings.entitlements_file)
    root = root_secret(settings.secret_key.reveal(), settings.jwt_signing_key_pem.reveal())
    outbox, renderer, sender = _mail(settings, db, root, clock)
    keys, configured_key, ring = _keys(settings, db, root, clock)
    marks = RevocationMarks(kv, clock, ttl=settings.longest_access_token.total_seconds())
    browser, audit = _browser(settings, db, ring, root, clock), Audit(clock)
    passwords = Passwords(
        Argon2Params(settings.argon2_time, settings.argon2_memory, settings.argon2_threads, settings.argon2_keylen),
        threads=settings.hashing_threads,
        queue=settings.hashing_queue,
    )
    totp_secrets, recovery_codes = TotpSecrets(_totp_sealer(settings, root)), RecoveryCodes(root)
    return Engines(
        clock=clock,
        db=db,
        finance=Database(settings.finance_database_url.reveal(), max_size=4, read_only=True)
        if settings.finance_database_url
        else None,
        kv=kv,
        marks=marks,
        addresses=_addresses(settings, db, kv, clock),
        login_limiter=Limiter(kv, fallback=None if settings.rate_limit_fail_closed_login else fallback, clock=clock),
        limiter=Limiter(kv, fallback=fallback, clock=clock),
        worker_limiter=Limiter(MemoryKV(clock), clock=clock),
        entitlements=CoreEntitlements(core, settings.core_url, kv, clock, catalogue)
        if core
        else BuiltInPlans(db, catalogue),
        core=core,
        passwords=passwords,
        new_passwords=NewPasswords(passwords, settings.password_min_length),
        totp_secrets=totp_secrets,
        recovery_codes=recovery_codes,
        second_factors=SecondFactors(db, clock, passwords, totp_secrets, recovery_codes, outbox),
        devices=KnownDevices(root.derive("known-devices"), clock),
        audit=audit,
        outbox=outbox,
        renderer=renderer,
        sender=sender,
        keys=keys,
        configured_key=configured_key,
        ring=ring,
        verifier=_verifier(settings, ring, clock),
        mint=TokenMint(
            ring.signer,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            access_ttl=settings.access_token_ttl,
            clock=clock,
        ),
        refresh_tokens=RefreshTokens(root),
        browser=browser,
        provider=provider_engines(settings, db, audit, marks, ring, root, clock, catalogue.default),
        default_plan=catalogue.default,
        tenant_access=TenantAccess(db, clock),
        pending_logins=root.sealer("pending-logins"),
        providers=JsonClient(timeout=PROVIDER_TIMEOUT, max_bytes=PROVIDER_ANSWER),
        provider_keys=PlatformKeys(),
        tenant_providers=tenants or (browser.sso.tenants if browser else None),
        requests=RequestMetrics(),
        tracing=tracing,
    )


def _addresses(settings: Settings, db: Database, kv: KV, clock: Clock) -> AddressGate:
    trusted = TrustedProxies(settings.trusted_proxy_cidrs)
    return AddressGate(lambda: blocked_addresses.entries(db, clock.now()), kv, clock, trusted)


def _mail(settings: Settings, db: Database, root: RootSecret, clock: Clock) -> tuple[Outbox, Renderer, Sender]:
    transport, notice = choose_transport(
        email_enabled=settings.email_enabled,
        email_from=settings.email_from,
        ses_region=settings.ses_aws_region,
        ses_access_key_id=settings.ses_aws_access_key_id,
        ses_secret_access_key=settings.ses_aws_secret_access_key.reveal(),
        smtp_url=settings.smtp_url.reveal(),
        development=settings.is_development,
    )
    if notice:
        log.warning("mail", notice=notice)
    outbox = Outbox(root.sealer("mail-outbox"), clock)
    renderer = Renderer(
        frontend_url=settings.frontend_url,
        app_name=settings.email_app_name,
        app_url=settings.browser_app_url,
        issuer_url=settings.issuer_url,
        logo_url=settings.email_logo_url,
        overrides=settings.email_templates_path,
    )
    sender = Sender(
        db,
        transport,
        outbox=outbox,
        renderer=renderer,
        clock=clock,
        email_from=settings.email_from,
        app_name=settings.email_app_name,
    )
    return outbox, renderer, sender


def _keys(
    settings: Settings, db: Database, root: RootSecret, clock: Clock
) -> tuple[SigningKeys, jose.PrivateKey, KeyRing]:
    schedule = KeySchedule.of(settings.longest_access_token)
    sealer = root.sealer("signing-keys")
    configured = jose.load_private_pem(
        settings.jwt_signing_key_pem.reveal(), settings.jwt_kid, public_pem=settings.jwt_public_key_pem
    )
    ring = KeyRing(db, sealer, clock, schedule, configured=configured)
    return SigningKeys(db, clock, sealer, schedule), configured, ring


def _browser(settings: Settings, db: Database, ring: KeyRing, root: RootSecret, clock: Clock) -> BrowserEngines | None:
    if not settings.browser_api_url:
        return None
    told: Any = {
        "issuer": settings.browser_api_url,
        "audience": origin_of(settings.browser_app_url),
        "leeway": _LEEWAY,
        "required": ("sub", "sid", "tenant_id", "user_id", "token_version", "type"),
        "clock": clock.timestamp,
    }
    verifier: TokenVerifier
    if settings.browser_token_alg == "HS256":  # noqa: S105 - the name of an algorithm
        shared = SharedSecret(root.derive("browser-tokens"))
        signer: Callable[[], Signer] = lambda: shared  # noqa: E731 - a signer that never changes
        verifier = SharedSecretVerifier(shared, **told)
    else:
        signer, verifier = ring.signer, Verifier(ring, algorithms=jose.ALGORITHMS, **told)
    mint = BrowserMint(
        signer,
        issuer=told["issuer"],
        audience=told["audience"],
        access_ttl=timedelta(minutes=settings.access_token_expire_minutes),
        clock=clock,
    )
    return BrowserEngines(verifier, mint, RefreshTokens(root, "browser"), sso_engines(settings, db, root, clock))


def _totp_sealer(settings: Settings, root: RootSecret) -> Sealer:
    """Under `TOTP_ENCRYPTION_KEY` when it is set; what was sealed before that still opens, and is sealed again."""
    own = settings.totp_encryption_key.reveal()
    return RootSecret(own.encode()).sealer("totp-v1", root) if own else root.sealer("totp-v1")


def _verifier(settings: Settings, ring: KeyRing, clock: Clock) -> Verifier:
    return Verifier(
        ring,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        algorithms=jose.ALGORITHMS,
        leeway=_LEEWAY,
        required=("sub", "sid", "tokenVersion", "type"),
        clock=clock.timestamp,
    )


def _kv(settings: Settings, clock: Clock) -> KV:
    if not settings.redis_url:
        return MemoryKV(clock)
    from identry.core.kv.redis import RedisKV  # the driver is loaded only where it is used

    return RedisKV(
        settings.redis_url.reveal(),
        timeout=settings.redis_timeout.total_seconds(),
        clock=None if isinstance(clock, SystemClock) else clock,
    )


def _core(settings: Settings) -> JsonClient | None:
    if not settings.core_url:
        return None
    key = settings.core_api_key.reveal()
    return JsonClient(headers={"X-Internal-API-Key": key} if key else None)


def _tracing(settings: Settings, clock: Clock) -> Tracing | None:
    if not settings.otel_exporter_otlp_endpoint:
        return None
    from identry.core.tracing import Tracing  # an extra: loaded only where it is used

    return Tracing(settings.otel_exporter_otlp_endpoint, __version__, clock)
