"""Which client addresses are not served: what one process holds of the list, kept current, asked without waiting.

The list is small and changes rarely, so every worker has all of it. It is read at the start, every ten seconds or so,
and at once when another worker says that it changed. While it cannot be read, the last one stays in force, with its
ends: an outage neither lets anybody in nor shuts anybody out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

import structlog

from identry.core.address import TrustedProxies, packed_address
from identry.core.clock import Clock
from identry.core.kv.protocol import KV, KVUnavailable
from identry.core.tasks import ended, spread
from identry_kit.apierror import ServiceUnavailable

log = structlog.get_logger(__name__)

CHANNEL = "addresses"
"""Messages: `changed`."""

Network = IPv4Network | IPv6Network
Entry = tuple[Network, datetime | None]
"""A network, and until when (None: for good)."""

LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
_FOREVER = float("inf")


class AddressGate:
    """Refuses addresses.

    Args:
        read: the list as it is stored.
        kv: how workers tell each other.
        clock: the time.
        trusted: our own proxies: they are never refused, as everybody behind them would be.
        interval: mean seconds between two looks at the list.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[Iterable[Entry]]],
        kv: KV,
        clock: Clock,
        trusted: TrustedProxies,
        *,
        interval: float = 10.0,
    ) -> None:
        self._read = read
        self._kv = kv
        self._now = clock.timestamp
        self._spared = TrustedProxies((*trusted.networks, *LOOPBACK))
        self._interval = interval
        self._kinds: list[tuple[int, int, dict[int, float]]] = []
        self._task: asyncio.Task[None] | None = None
        self._told = asyncio.Event()
        self._looking = asyncio.Lock()
        self.anybody = False
        """Whether anybody is refused at all; what every request asks first."""
        self.failures = 0
        """Looks at the list that failed since the last one that succeeded."""

    def refuses(self, address: str | None) -> bool:
        """Whether requests from an address are refused now. Asks nobody."""
        packed = packed_address(address or "")
        if packed is None:
            return False
        size, number, now = len(packed), int.from_bytes(packed), self._now()
        held = (ends.get(number & mask) for length, mask, ends in self._kinds if length == size)
        return any(until is not None and until > now for until in held) and not self._spared.trusts(packed)

    def spares(self, network: Network) -> Network | None:
        """The network of ours that overlaps with `network`, whose addresses are never refused; or None."""
        for own in self._spared.networks:
            if own.version == network.version and own.overlaps(network):
                return own
        return None

    async def load(self) -> None:
        """Look at the list; the former one stays when that fails.

        Raises:
            ServiceUnavailable: it cannot be read.
        """
        async with self._looking:  # who asks later sees the later list
            try:
                entries = await self._read()
            except ServiceUnavailable as error:
                if not self.failures:
                    log.warning("the blocked addresses cannot be read; the known ones stay blocked", reason=str(error))
                self.failures += 1
                raise
            self._kinds = _by_length(entries)
            self.anybody = bool(self._kinds)
            self.failures = 0

    async def changed(self) -> None:
        """Look again, here at once and in every worker that can be reached; call it after the commit. Never raises."""
        try:
            await self.load()
        except ServiceUnavailable:
            self._told.set()
        try:
            await self._kv.publish(CHANNEL, b"changed")
        except KVUnavailable:
            log.debug("addresses.not_published")  # the others look by themselves

    async def start(self) -> None:
        """Listen to the others, and look again now and then until `close`; does not need the engine to be up."""
        await self._kv.subscribe(CHANNEL, lambda _: self._told.set())
        self._task = asyncio.create_task(self._look_again(), name="blocked addresses")

    async def close(self) -> None:
        """Stop looking."""
        await ended(self._task)
        self._task = None

    async def _look_again(self) -> None:
        while True:
            try:
                async with asyncio.timeout(spread(self._interval)):
                    await self._told.wait()
            except TimeoutError:
                pass
            self._told.clear()
            try:
                await self.load()
            except ServiceUnavailable:
                continue  # counted and told by load
            except Exception:  # the task must outlive whatever a look meets
                log.exception("reading the blocked addresses failed; the known ones stay blocked")
                self.failures += 1


def _by_length(entries: Iterable[Entry]) -> list[tuple[int, int, dict[int, float]]]:
    """Of each length of prefix: bytes of an address, the mask, and first address → when it ends."""
    kinds: dict[tuple[int, int], dict[int, float]] = {}
    for network, until in entries:
        kind = (network.max_prefixlen // 8, int(network.netmask))
        kinds.setdefault(kind, {})[int(network.network_address)] = _FOREVER if until is None else until.timestamp()
    return [(size, mask, ends) for (size, mask), ends in kinds.items()]
