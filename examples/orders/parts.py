"""What the routes stand on, made once for each process. The only wiring; a skin adds routes and nothing else."""

from __future__ import annotations

from dataclasses import asdict

import httpx2
from sqlalchemy.ext.asyncio import create_async_engine

from identry_kit.aigateway import AIConfig, AIGateway
from identry_kit.apierror import ServiceUnavailable, Unauthorized, forbidden
from identry_kit.context import Caller
from identry_kit.httpware import LocalBuckets, RedisBuckets
from identry_kit.jwtauth import Claims, JWKSCache, Verifier
from identry_kit.narration import Narration, NarrationCache, cache_key
from identry_kit.sqllog import SQLLog
from identry_kit.tiering import (
    FeaturePolicy,
    MemoryPolicies,
    PolicyService,
    Unlimited,
    marshal_access,
    marshal_limit,
)
from identry_kit.tiering.sqlalchemy import SQLAlchemyPolicies
from orders.book import Order, OrderBook, owner_of
from orders.settings import Settings

# What each plan may do until an administrator says otherwise.
POLICIES = [
    FeaturePolicy(
        "ai_narration",
        category="ai",
        label="AI Narration",
        feature_type="access",
        freemium=marshal_access(False),
        pro=marshal_access(True),
        enterprise=marshal_access(True),
    ),
    FeaturePolicy(
        "export_limit",
        category="exports",
        label="Exports",
        feature_type="numeric_limit",
        freemium=marshal_limit(2),
        pro=marshal_limit(50),
        enterprise=marshal_limit(-1),  # unlimited
    ),
]


class Parts:
    """Everything with a connection or a memory. `async with parts:` around the service's life."""

    def __init__(self, settings: Settings) -> None:
        # Whose tokens are good. Keys are fetched with the first token and kept when Identry is away.
        self.keys = JWKSCache(settings.jwks_url)
        self.sessions = Sessions(settings.session_url) if settings.session_url else None
        self.verifier = Verifier(
            self.keys, issuer=settings.issuer, audience=settings.audience, revocation=self.sessions
        )
        # Limits: in Redis they hold for all processes together; while it is away, for each by itself.
        self.buckets = RedisBuckets(settings.redis_url) if settings.redis_url else LocalBuckets()
        # Plans: policies are answered from memory, from an old list when the database is away.
        self.engine = create_async_engine(settings.database_url) if settings.database_url else None
        if self.engine is not None:
            SQLLog(slow_threshold=0.2).attach(self.engine)
            self.repository = SQLAlchemyPolicies(self.engine)
        self.policies = PolicyService(self.repository if self.engine is not None else MemoryPolicies())
        # An AI, and what it wrote.
        self.ai = AIGateway(
            AIConfig(settings.ai_provider, settings.ai_key, settings.ai_model, base_url=settings.ai_url)
        )
        self.narrations = NarrationCache()
        # The business.
        self.book = OrderBook()
        self._exports: dict[str, int] = {}

    async def __aenter__(self) -> Parts:
        if self.engine is not None:
            await self.repository.create()  # in a real service a migration does this
        await self.policies.seed_defaults(POLICIES)  # keeps what an administrator changed
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.ai.aclose()
        await self.policies.aclose()
        if self.engine is not None:
            await self.engine.dispose()
        if isinstance(self.buckets, RedisBuckets):
            await self.buckets.aclose()
        await self.keys.aclose()
        if self.sessions is not None:
            await self.sessions.aclose()

    async def export(self, caller: Caller) -> int:
        """Use one export; how often the owner has exported now. Forbidden when the plan has no more."""
        used = self._exports.get(owner_of(caller), 0)
        match await self.policies.limit("export_limit", caller.plan):
            case Unlimited():
                pass
            case int(limit) if used < limit:
                pass
            case _:  # over it, or nobody knows: what is unknown is denied
                raise forbidden("no exports left in this plan")
        self._exports[owner_of(caller)] = used + 1
        return used + 1

    async def narrate(self, caller: Caller, order: Order) -> Narration:
        """An order as prose. The AI is asked once for each tenant, role and order; its failures are 502, 503 or 504."""
        if not await self.policies.is_allowed("ai_narration", caller.plan):
            raise forbidden("narration is switched off for this plan")

        async def write() -> Narration:
            text = await self.ai.call(f"Tell this order in one sentence, for a {caller.role or 'reader'}: {order}")
            return Narration(text, {"model": self.ai.config.model})

        key = cache_key("order_narration", caller.role, asdict(order))
        return await self.narrations.get_or_make(owner_of(caller), key, write)


class Sessions:
    """A revocation hook: asks Identry whether the token's session still lives.

    A logout counts at once then, for the price of a request to Identry on each request here, and while Identry is away
    nobody gets in (503). Without it, a token is good until its `exp`: keep that short.
    """

    def __init__(self, base_url: str) -> None:
        self._http = httpx2.AsyncClient(base_url=base_url, timeout=2)

    async def __call__(self, token: str, _: Claims) -> None:
        """See `identry_kit.jwtauth.RevocationHook`: whatever is raised refuses, ServiceUnavailable as 503."""
        try:
            answer = await self._http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        except httpx2.TransportError:
            raise ServiceUnavailable("sessions cannot be asked for") from None
        if answer.status_code in {401, 403}:
            raise Unauthorized("signed out")
        if answer.status_code != 200:
            raise ServiceUnavailable("sessions cannot be asked for")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
