"""Policies in memory: for tests, and for services whose policies are part of their code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock

from identry_kit.tiering.policy import FeaturePolicy


def wall_clock() -> float:
    """Seconds since the epoch, for `updated_at`."""
    return time.time()  # noqa: TID251 - the default of an argument; tests pass their own


class MemoryPolicies:
    """A `PolicyRepository` that forgets with the process. As large as what is put in. Thread-safe, never waits.

    `clock` in seconds since the epoch.
    """

    def __init__(self, policies: Iterable[FeaturePolicy] = (), *, clock: Callable[[], float] = wall_clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._policies = {policy.feature: policy for policy in policies}

    async def list(self) -> Sequence[FeaturePolicy]:
        """See `PolicyRepository.list`."""
        with self._lock:
            return sorted(self._policies.values(), key=lambda policy: policy.feature)

    async def get_by_feature(self, feature: str) -> FeaturePolicy | None:
        """See `PolicyRepository.get_by_feature`."""
        return self._policies.get(feature)

    async def upsert(self, policy: FeaturePolicy) -> FeaturePolicy:
        """See `PolicyRepository.upsert`."""
        stored = replace(policy, updated_at=self._now())
        with self._lock:
            self._policies[policy.feature] = stored
        return stored

    async def seed_defaults(self, policies: Iterable[FeaturePolicy]) -> None:
        """See `PolicyRepository.seed_defaults`."""
        now = self._now()
        with self._lock:
            for policy in policies:
                self._policies.setdefault(policy.feature, replace(policy, updated_at=now))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
