"""PolicyService: what a plan may do, answered from memory and kept current from a repository."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from threading import Lock
from time import monotonic
from types import MappingProxyType
from typing import Literal

from identry_kit.apierror import NotFound, ServiceUnavailable
from identry_kit.tiering.plans import PlanRegistry, default_registry
from identry_kit.tiering.policy import (
    ACCESS,
    NUMERIC_LIMIT,
    UNLIMITED,
    Cell,
    FeaturePolicy,
    PlanSelector,
    PolicyRepository,
    allowed_of,
    default_selector,
    limit_of,
)

FRESH = 300.0
PAUSE = 5.0
LOAD_TIMEOUT = 5.0
MAX_POLICIES = 10_000


class PoliciesUnavailable(ServiceUnavailable):
    """503: the policies cannot be had, and none were had before."""

    message = "feature policies are unavailable"


@dataclass(frozen=True, slots=True)
class Unlimited:
    """There is no ceiling (−1 in the policy)."""


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no number to go by; `reason` says why. To be treated as 0."""

    reason: Literal["unknown_feature", "not_a_limit", "bad_cell", "unavailable"]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A whole list, and until when it is good without asking (by the service's clock)."""

    policies: Mapping[str, FeaturePolicy]
    good_until: float


class PolicyService:
    """Answers from a copy of the whole list, taken from `repository` at most every five minutes.

    - One load at a time, shared by everybody who waits for it; it outlives a waiter that is cancelled, and counts as
      failed after `load_timeout` seconds.
    - A failed load is logged. The list at hand stays in use, however old, and is tried again every five seconds by
      whoever asks next; nobody waits for these tries.
    - Without a list at hand each call tries; when that fails, `is_allowed` is False and `numeric_limit` is 0.
    - `update_policy` and `seed_defaults` empty the copy at once. Other processes see a change within `ttl` seconds.

    Memory: one list of at most 10 000 policies; a longer one is a failed load. Safe for threads and for event loops:
    a loop that finds nothing at hand loads for itself.

    `ttl`, `pause` and `load_timeout` in seconds; `clock` in seconds, monotonic.
    """

    def __init__(
        self,
        repository: PolicyRepository,
        registry: PlanRegistry | None = None,
        *,
        selector: PlanSelector = default_selector,
        ttl: float = FRESH,
        pause: float = PAUSE,
        load_timeout: float = LOAD_TIMEOUT,
        clock: Callable[[], float] = monotonic,
        logger: logging.Logger | None = None,
    ) -> None:
        self._repository = repository
        self._registry = default_registry() if registry is None else registry
        self._selector = selector
        self._ttl = ttl
        self._pause = pause
        self._load_timeout = load_timeout
        self._clock = clock
        self._log = logger or logging.getLogger("identry_kit.tiering")
        self._lock = Lock()
        self._loaded: _Loaded | None = None
        self._failed_at: float | None = None
        self._changes = 0
        self._flights: dict[asyncio.AbstractEventLoop, asyncio.Task[_Loaded | None]] = {}
        self._running: set[asyncio.Task[_Loaded | None]] = set()

    async def is_allowed(self, feature: str, plan: str) -> bool:
        """Whether `plan` has access. False also for an unknown feature, a limit, a bad cell, and without a list."""
        try:
            policy = (await self._policies()).get(feature)
        except PoliciesUnavailable:
            return False
        if policy is None or policy.feature_type != ACCESS:
            return False
        return allowed_of(self._cell(policy, plan)) is True

    async def limit(self, feature: str, plan: str) -> Unlimited | int | Missing:
        """The ceiling of `plan`: `Unlimited()`, a number from 0, or `Missing(reason)`."""
        try:
            policy = (await self._policies()).get(feature)
        except PoliciesUnavailable:
            return Missing("unavailable")
        if policy is None:
            return Missing("unknown_feature")
        if policy.feature_type != NUMERIC_LIMIT:
            return Missing("not_a_limit")
        limit = limit_of(self._cell(policy, plan))
        if limit is None:
            return Missing("bad_cell")
        return Unlimited() if limit == UNLIMITED else limit

    async def numeric_limit(self, feature: str, plan: str) -> int:
        """`limit` as the seed has it, one number: −1 for unlimited, 0 for whatever is missing."""
        limit = await self.limit(feature, plan)
        if isinstance(limit, int):
            return limit
        return UNLIMITED if isinstance(limit, Unlimited) else 0

    async def list_policies(self) -> tuple[FeaturePolicy, ...]:
        """All policies, as current as the answers are. Raises PoliciesUnavailable (503) when there is no list."""
        return tuple((await self._policies()).values())

    async def update_policy(self, feature: str, *, freemium: Cell, pro: Cell, enterprise: Cell) -> FeaturePolicy:
        """Replace the cells of a feature; the answers change at once.

        Raises NotFound (404) for an unknown feature, ValidationFailed (422) for a cell that does not fit its type, and
        what the repository raises. After such a failure the outcome is unknown, so the list is loaded again.
        """
        known = await self._repository.get_by_feature(feature)
        if known is None:
            raise NotFound(f"feature policy not found: {feature}")
        changed = replace(known, freemium=freemium, pro=pro, enterprise=enterprise)
        changed.check()
        try:
            stored = await self._repository.upsert(changed)
        except BaseException:
            self._expire()
            raise
        self._empty()
        self._log.info("feature policy updated", extra={"feature": feature})
        return stored

    async def seed_defaults(self, policies: Iterable[FeaturePolicy]) -> None:
        """Insert what is not there yet, at start; rows that an administrator changed stay as they are.

        Raises ValidationFailed for a policy that may not be written (then none is), and what the repository raises.
        """
        defaults = tuple(policies)
        for policy in defaults:
            policy.check()
        try:
            await self._repository.seed_defaults(defaults)
        except BaseException:
            self._expire()
            raise
        self._empty()
        self._log.info("feature policies seeded", extra={"count": len(defaults)})

    async def refresh(self) -> bool:
        """Load now, whatever the age (for start-up and for tests), or join the load under way; False: it failed."""
        return await asyncio.shield(self._flight()) is not None

    async def aclose(self) -> None:
        """End the loads under way on this event loop."""
        loop = asyncio.get_running_loop()
        running = [flight for flight in self._running if flight.get_loop() is loop]
        for flight in running:
            flight.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _cell(self, policy: FeaturePolicy, plan: str) -> Cell:
        return self._selector(policy, self._registry.normalise(plan))

    async def _policies(self) -> Mapping[str, FeaturePolicy]:
        at_hand = self._loaded
        if at_hand is not None:
            now = self._clock()
            if now < at_hand.good_until:
                return at_hand.policies
            failed_at = self._failed_at
            if failed_at is not None:
                if now - failed_at >= self._pause:
                    self._flight()
                return at_hand.policies
        loaded = await asyncio.shield(self._flight()) or at_hand
        if loaded is None:
            raise PoliciesUnavailable
        return loaded.policies

    def _flight(self) -> asyncio.Task[_Loaded | None]:
        """The load under way on this event loop, or a new one."""
        loop = asyncio.get_running_loop()
        with self._lock:
            flight = self._flights.get(loop)
            if flight is None:
                flight = loop.create_task(self._load(self._changes), name="identry-kit-policies")
                self._flights[loop] = flight
                self._running.add(flight)
                flight.add_done_callback(self._landed)
            return flight

    def _landed(self, flight: asyncio.Task[_Loaded | None]) -> None:
        with self._lock:
            self._running.discard(flight)
            if self._flights.get(flight.get_loop()) is flight:
                del self._flights[flight.get_loop()]

    async def _load(self, changes: int) -> _Loaded | None:
        """One load; None when it failed, which is logged."""
        loaded: _Loaded | None = None
        try:
            async with asyncio.timeout(self._load_timeout):
                policies = await self._repository.list()
            if len(policies) > MAX_POLICIES:
                raise OverflowError
            by_feature = MappingProxyType({policy.feature: policy for policy in policies})
            loaded = _Loaded(by_feature, self._clock() + self._ttl)
        except Exception as error:  # whatever a repository raises: gates go on with what is known
            extra = {"error": _kinds(error), "stale": self._loaded is not None}
            self._log.error("failed to refresh feature policies (%s)", extra["error"], extra=extra)
        with self._lock:
            if changes == self._changes:  # else there was a write meanwhile, and this may be older
                self._failed_at = self._clock() if loaded is None else None
                self._loaded = loaded or self._loaded
        return loaded

    def _empty(self) -> None:
        """After a write: nothing loaded before, or being loaded now, is used again."""
        with self._lock:
            self._forget_flights()
            self._loaded = None

    def _expire(self) -> None:
        """After a write that may have happened: ask again, but keep the list in case the database is gone."""
        with self._lock:
            self._forget_flights()
            if self._loaded is not None:
                self._loaded = replace(self._loaded, good_until=-inf)

    def _forget_flights(self) -> None:
        self._changes += 1
        self._flights.clear()
        self._failed_at = None


def _kinds(error: BaseException) -> str:
    """The types of an error and its causes; their texts may quote what nobody should read in a log."""
    kinds: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(kinds) < 5:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__
    return " < ".join(kinds)
