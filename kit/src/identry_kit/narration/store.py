"""A layer that may fail, used so that its failure costs a cache and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from identry_kit.narration.output import Narration

if TYPE_CHECKING:
    from identry_kit.narration.cache import NarrationCacher

PAUSE = 5.0
"""Seconds for which a layer that failed is left alone."""

T = TypeVar("T")


class Guarded:
    """`get` and `put` of a cacher, which answer None and nothing instead of failing or hanging."""

    def __init__(
        self, cacher: NarrationCacher, timeout: float, clock: Callable[[], float], logger: logging.Logger
    ) -> None:
        self._cacher = cacher
        self._timeout = timeout
        self._clock = clock
        self._logger = logger
        self._failed_at: float | None = None

    async def get(self, tenant: UUID | str, key: str) -> Narration | None:
        """`NarrationCacher.get`; None when the layer is away."""
        return await self._try(lambda: self._cacher.get(tenant, key))

    async def put(self, tenant: UUID | str, key: str, output: Narration) -> None:
        """`NarrationCacher.put`; nothing when the layer is away."""
        await self._try(lambda: self._cacher.put(tenant, key, output))

    async def _try(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        if self._failed_at is not None and self._clock() - self._failed_at < PAUSE:
            return None
        try:
            async with asyncio.timeout(self._timeout):
                answer = await ask()
        except Exception as error:  # whatever a driver raises: a cache that is away is no reason to fail
            if self._failed_at is None:
                # The type only: a driver's text may hold values and addresses.
                self._logger.warning("narration store unavailable, going on without it: %s", type(error).__name__)
            self._failed_at = self._clock()
            return None
        if self._failed_at is not None:
            self._failed_at = None
            self._logger.info("narration store is back")
        return answer
