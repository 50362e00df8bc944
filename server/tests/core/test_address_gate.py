"""The list of blocked addresses as one process holds it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from identry.core.address import TrustedProxies
from identry.core.address_gate import AddressGate, Entry
from identry.core.clock import SystemClock
from identry.core.db import Unavailable
from identry.core.kv import MemoryKV

CLOCK = SystemClock()


class Stored:
    """The list as a database would have it, which can be away."""

    def __init__(self, *entries: Entry) -> None:
        self.entries: list[Entry] = list(entries)
        self.away = False

    async def read(self) -> list[Entry]:
        """The entries now."""
        if self.away:
            raise Unavailable("away")
        return list(self.entries)


def gate(stored: Stored, kv: MemoryKV | None = None, trusted: str = "") -> AddressGate:
    return AddressGate(stored.read, kv or MemoryKV(CLOCK), CLOCK, TrustedProxies.parse(trusted), interval=3600)


async def test_addresses_and_networks_are_refused_until_their_end_and_proxies_never() -> None:
    now = datetime.now(UTC)
    stored = Stored(
        (ip_network("192.0.2.1"), None),
        (ip_network("198.51.100.0/24"), now + timedelta(hours=1)),
        (ip_network("203.0.113.0/24"), now - timedelta(seconds=1)),
        (ip_network("2001:db8::/32"), None),
        (ip_network("0.0.0.0/8"), None),
    )
    kept = gate(stored, trusted="198.51.100.128/25")
    assert not kept.anybody
    assert not kept.refuses("192.0.2.1")
    await kept.load()
    assert kept.anybody
    refused = ["192.0.2.1", "::ffff:192.0.2.1", "198.51.100.5", "2001:db8:1::2", "2001:DB8::9%eth0", "0.1.2.3"]
    assert [address for address in refused if not kept.refuses(address)] == []
    served = ["192.0.2.2", "198.51.100.200", "203.0.113.9", "2001:db9::1", "::1", "127.0.0.1", "", None, "nonsense"]
    assert [address for address in served if kept.refuses(address)] == []
    assert kept.spares(ip_network("198.51.100.0/24")) == ip_network("198.51.100.128/25")
    assert kept.spares(ip_network("198.51.100.0/25")) is None
    assert kept.spares(ip_network("::/16")) == ip_network("::1/128")


async def test_a_change_reaches_every_worker_at_once() -> None:
    stored, kv = Stored(), MemoryKV(CLOCK)
    here, there = gate(stored, kv), gate(stored, kv)
    await there.load()
    await there.start()
    stored.entries.append((ip_network("192.0.2.1"), None))
    await here.changed()
    assert here.refuses("192.0.2.1")
    async with asyncio.timeout(20):
        while not there.refuses("192.0.2.1"):
            await asyncio.sleep(0)
    await there.close()


async def test_what_is_known_stays_in_force_while_the_list_cannot_be_read() -> None:
    stored = Stored((ip_network("192.0.2.1"), None))
    kept = gate(stored)
    await kept.load()
    stored.away = True
    stored.entries.clear()
    with pytest.raises(Unavailable):
        await kept.load()
    await kept.changed()
    assert kept.refuses("192.0.2.1")
    assert kept.failures == 2
    stored.away = False
    await kept.load()
    assert not kept.anybody
    assert kept.failures == 0
