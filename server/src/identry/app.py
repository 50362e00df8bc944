"""The only wiring: settings become engines, engines become services, services become rooms, rooms one ASGI app.

Read it from top to bottom: nothing is registered by name, decorator or import side effect.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from identry import __version__
from identry.core import jose, observability, partitions
from identry.core.address import TrustedProxies
from identry.core.clock import Clock, SystemClock
from identry.core.db import Database
from identry.core.janitor import Chore, Janitor
from identry.core.kv import KV, MemoryKV, RevocationMarks
from identry.core.limits import Limiter
from identry.core.mail import Outbox, Renderer, Sender, choose_transport
from identry.core.metrics import RequestMetrics
from identry.core.new_passwords import NewPasswords
from identry.core.outbound import JsonClient
from identry.core.passwords import Argon2Params, Passwords
from identry.core.recovery_codes import RecoveryCodes
from identry.core.secrets import root_secret
from identry.entitlements import BuiltInPlans, Catalogue, CoreEntitlements, Entitlements
from identry.flows.accept_invitation import routes as accept_invitation
from identry.flows.accept_invitation.service import AcceptInvitation
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
from identry.flows.password_reset import routes as password_reset
from identry.flows.password_reset.service import PasswordReset
from identry.flows.reference import routes as reference
from identry.flows.refresh import routes as refresh
from identry.flows.refresh.service import Refresh
from identry.flows.register import routes as register
from identry.flows.register.service import Register
from identry.flows.rotate_keys.service import SigningKeys
from identry.flows.support import routes as support
from identry.flows.support.service import Support
from identry.flows.user_admin import routes as user_admin
from identry.flows.user_admin.service import UserAdmin
from identry.records import one_time_tokens
from identry.records.audit import Audit
from identry.records.factors import TotpSecrets
from identry.records.keys import KeyRing, KeySchedule
from identry.settings import Settings, load
from identry.signin import SignIn
from identry.tokens import RefreshTokens, TokenMint
from identry.web.endpoint import Endpoint, GuardCheck
from identry.web.errors import render
from identry.web.guards import Bearer, MachineKey
from identry.web.operations import Guard, Operation
from identry.web.origins import origin_reader
from identry.web.router import Router
from identry_kit import context
from identry_kit.apierror import ASGIApp, Receive, Scope, Send
from identry_kit.httpware import standard_stack
from identry_kit.jwtauth import Verifier

log = structlog.get_logger("identry.app")

_LEEWAY = 30.0
_MAX_BODY = 1 << 20
_DEADLINE = 30.0
_KEEP_EXPIRED_TOKENS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Engines:
    """What services are made of. Made here, opened and closed by the lifespan."""

    clock: Clock
    db: Database
    finance: Database | None
    kv: KV
    marks: RevocationMarks
    limiter: Limiter
    entitlements: Entitlements
    core: JsonClient | None
    passwords: Passwords
    new_passwords: NewPasswords
    totp_secrets: TotpSecrets
    recovery_codes: RecoveryCodes
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
    requests: RequestMetrics


def make_engines(settings: Settings, clock: Clock) -> Engines:
    """Every engine of a configuration; nothing is connected yet."""
    db = Database(settings.database_url.reveal(), max_size=settings.db_pool_size)
    kv = _kv(settings, clock)
    core = _core(settings)
    catalogue = Catalogue.load(settings.entitlements_file)
    root = root_secret(settings.secret_key.reveal(), settings.jwt_signing_key_pem.reveal())
    outbox = Outbox(root.sealer("mail-outbox"), clock)
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
    renderer = Renderer(
        frontend_url=settings.frontend_url,
        app_name=settings.email_app_name,
        logo_url=settings.email_logo_url,
        overrides=settings.email_templates_path,
    )
    configured_key = jose.load_private_pem(
        settings.jwt_signing_key_pem.reveal(), settings.jwt_kid, public_pem=settings.jwt_public_key_pem
    )
    schedule = KeySchedule.of(settings.access_token_ttl)
    sealer = root.sealer("signing-keys")
    passwords = Passwords(
        Argon2Params(settings.argon2_time, settings.argon2_memory, settings.argon2_threads, settings.argon2_keylen),
        threads=settings.hashing_threads,
        queue=settings.hashing_queue,
    )
    ring = KeyRing(
        db,
        sealer,
        clock,
        schedule,
        configured=configured_key,
    )
    return Engines(
        clock=clock,
        db=db,
        finance=Database(settings.finance_database_url.reveal(), max_size=4, read_only=True)
        if settings.finance_database_url
        else None,
        kv=kv,
        marks=RevocationMarks(kv, clock, ttl=settings.access_token_ttl.total_seconds()),
        limiter=Limiter(kv, settings.rate_limit_fail_closed_login, fallback=MemoryKV(clock)),
        entitlements=CoreEntitlements(core, settings.core_url, kv, clock, catalogue)
        if core
        else BuiltInPlans(db, catalogue),
        core=core,
        passwords=passwords,
        new_passwords=NewPasswords(passwords, settings.password_min_length),
        totp_secrets=TotpSecrets(root.sealer("totp-v1")),
        recovery_codes=RecoveryCodes(root),
        audit=Audit(clock),
        outbox=outbox,
        renderer=renderer,
        sender=Sender(
            db,
            transport,
            outbox=outbox,
            renderer=renderer,
            clock=clock,
            email_from=settings.email_from,
            app_name=settings.email_app_name,
        ),
        keys=SigningKeys(db, clock, sealer, schedule),
        configured_key=configured_key,
        ring=ring,
        verifier=Verifier(
            ring,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            algorithms=jose.ALGORITHMS,
            leeway=_LEEWAY,
            required=("sub", "sid", "tokenVersion", "type"),
            clock=clock.timestamp,
        ),
        mint=TokenMint(
            ring.signer,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            access_ttl=settings.access_token_ttl,
            clock=clock,
        ),
        refresh_tokens=RefreshTokens(root),
        requests=RequestMetrics(),
    )


def _kv(settings: Settings, clock: Clock) -> KV:
    if not settings.redis_url:
        return MemoryKV(clock)
    from identry.core.kv.redis import RedisKV  # the driver is loaded only where it is used

    return RedisKV(settings.redis_url.reveal(), clock=None if isinstance(clock, SystemClock) else clock)


def _core(settings: Settings) -> JsonClient | None:
    if not settings.core_url:
        return None
    key = settings.core_api_key.reveal()
    return JsonClient(headers={"X-Internal-API-Key": key} if key else None)


def rooms(settings: Settings, e: Engines, figures: Metrics, draining: Callable[[], bool]) -> list[Operation]:
    """The operation table of a configuration: every room, one after the other."""
    access_key = MachineKey(tuple(key.reveal() for key in settings.access_keys), e.audit, e.db)
    companies = CompanyResolve(
        FinanceCompanies(e.finance, settings.migrate_company_table, settings.finance_columns) if e.finance else None,
        e.kv,
    )
    signin = SignIn(e.db, e.clock, e.audit, e.mint, e.refresh_tokens, settings.refresh_token_ttl)
    checks = {
        "postgres": lambda: e.db.fetchval("SELECT 1"),
        "redis": e.kv.ping if settings.redis_url else None,
        "finance": (lambda: finance.fetchval("SELECT 1")) if (finance := e.finance) else None,
    }
    served = [
        *health.operations(checks, draining),
        *discovery.operations(e.ring),
        *_account_rooms(settings, e, signin),
        *refresh.operations(
            Refresh(e.db, e.clock, e.audit, e.limiter, e.mint, e.refresh_tokens, e.marks, settings.refresh_grace)
        ),
        *logout.operations(Logout(e.db, e.clock, e.audit, e.refresh_tokens, e.marks)),
        *account.operations(e.db, e.clock),
        *access.operations(AccessResolver(e.db, e.clock, e.kv, e.entitlements), access_key),
        *user_admin.operations(
            UserAdmin(
                e.db,
                e.clock,
                e.audit,
                e.passwords,
                e.outbox,
                e.marks,
                min_password_length=settings.password_min_length,
            )
        ),
        *membership_admin.operations(MembershipAdmin(e.db, e.clock, e.audit, companies if e.finance else None)),
        *access_admin.operations(AccessAdmin(e.db, e.clock, e.audit, e.entitlements)),
        *(support.operations(Support(e.db, e.clock, e.audit, e.marks)) if settings.internal_api_key else []),
        *(company_resolve.operations(companies) if settings.internal_api_key else []),
    ]
    if settings.is_development:
        served += dev.operations(Mailbox(e.db, e.outbox, e.renderer))
        served += metrics.operations(figures)
    return [*served, *reference.operations(served, version=__version__)]


def _account_rooms(settings: Settings, e: Engines, signin: SignIn) -> list[Operation]:
    """The rooms in which somebody gets an account, a password or a session."""
    password_login = settings.auth_policy == "standard"
    sign_up = Register(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.new_passwords,
        e.outbox,
        enabled=settings.public_registration_enabled,
        password_login=password_login,
    )
    reset = PasswordReset(
        e.db, e.clock, e.audit, e.limiter, e.new_passwords, e.outbox, e.marks, settings.password_reset_ttl
    )
    accept = AcceptInvitation(
        e.db,
        e.clock,
        e.audit,
        e.limiter,
        e.passwords,
        e.new_passwords,
        signin,
        password_login=password_login,
    )
    second_factor = VerifyMfa(e.db, e.clock, e.audit, e.limiter, e.passwords, e.totp_secrets, e.recovery_codes, signin)
    return [
        *register.operations(sign_up),
        *login.operations(Login(e.db, e.clock, e.audit, e.limiter, e.passwords, signin, password_login=password_login)),
        *mfa.operations(second_factor),
        *password_reset.operations(reset, expose_token=settings.expose_password_reset_token),
        *invite.operations(Invite(e.db, e.clock, e.audit, e.outbox, settings.invitation_ttl), e.clock),
        *accept_invitation.operations(accept),
    ]


def chores(settings: Settings, e: Engines) -> list[Chore]:
    """What one of the workers keeps in order. (The outbox is kept by its sender, the signing keys by their ring.)"""

    async def old_sessions() -> int:
        ended = e.clock.now() - settings.session_retention
        return await partitions.drop_before(e.db, partitions.SESSIONS, ended - settings.refresh_token_ttl, ended=ended)

    kept = [
        Chore("months_made", lambda: partitions.ensure(e.db, e.clock.now())),
        Chore("tokens_removed", lambda: one_time_tokens.prune(e.db, e.clock.now() - _KEEP_EXPIRED_TOKENS)),
        Chore("session_months_dropped", old_sessions),
    ]
    if (audit_retention := settings.audit_retention) is not None:

        async def old_events() -> int:
            return await partitions.drop_before(e.db, partitions.AUDIT, e.clock.now() - audit_retention)

        kept.append(Chore("audit_months_dropped", old_events))
    return kept


class Application:
    """The ASGI application.

    Attributes:
        settings: what it was built from.
        engines: what its services use.
        operations: every row of the API that this configuration mounts.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.engines = e = make_engines(settings, clock or SystemClock())
        self._draining = False
        self._figures = Metrics(
            e.clock, e.requests, e.db, e.kv, e.marks, e.passwords, e.outbox, e.sender, e.ring, __version__
        )
        self.janitor = Janitor(e.db, chores(settings, e))
        self.operations = rooms(settings, e, self._figures, lambda: self._draining)
        bearer = Bearer(e.verifier, e.marks, e.db, e.clock)
        guards: dict[Guard, GuardCheck | None] = {
            Guard.PUBLIC: None,
            Guard.TOKEN: bearer.token,
            Guard.BEARER: bearer.session,
            Guard.MACHINE: MachineKey(tuple(key.reveal() for key in settings.internal_api_key), e.audit, e.db).check,
        }
        origin_of = origin_reader(TrustedProxies(settings.trusted_proxy_cidrs), context.request_id)
        router: Any = Router(Endpoint(operation, guards[operation.guard], origin_of) for operation in self.operations)
        self._http: ASGIApp = standard_stack(
            router,
            sink=observability.access_log(
                e.clock, e.requests.observe, level=settings.log_level, form=settings.log_format
            ),
            max_body=_MAX_BODY,
            timeout=_DEADLINE,
            on_error=render,
        )

    def drain(self) -> None:
        """Get ready to stop: `/ready` says 503 from now on, and every answer asks its connection to close."""
        self._draining = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or run the lifespan."""
        if scope["type"] == "http":
            await self._http(scope, receive, _closing(send) if self._draining else send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                await self._open(stack)
            except Exception as error:
                log.error("start failed", reason=str(error) or type(error).__name__)
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self._draining = True
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self, stack: AsyncExitStack) -> None:
        """PostgreSQL → Redis → Finance → keys, then the background work; undone in reverse at the end."""
        e = self.engines
        await e.db.open()
        stack.push_async_callback(e.db.close)
        await partitions.ensure(e.db, e.clock.now())
        stack.push_async_callback(e.kv.close)
        if e.core is not None:
            stack.push_async_callback(e.core.close)
        await e.marks.start()
        if e.finance is not None:
            stack.push_async_callback(e.finance.close)
            await e.finance.open()
        stack.push_async_callback(e.passwords.close)
        await e.keys.adopt(e.configured_key)
        await e.ring.load()
        e.ring.start()
        stack.push_async_callback(e.ring.close)
        e.sender.start()
        stack.push_async_callback(e.sender.stop)
        self.janitor.start()
        stack.push_async_callback(self.janitor.stop)
        if self.settings.metrics_dir is not None:
            self._figures.start(self.settings.metrics_dir)
            stack.push_async_callback(self._figures.stop)


def _closing(send: Send) -> Send:
    async def closing(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing


def create() -> Application:
    """The application of this process's environment: what the web server imports (`identry.app:create`)."""
    settings = load()
    observability.configure(level=settings.log_level, form=settings.log_format, request_id=context.request_id)
    return Application(settings)
