"""`identry blocked-ips …`: shutting addresses out, and letting them in again, without an administrator's sign-in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from identry.cli.arguments import span_of
from identry.cli.one_off import database_of, kv_of, one_off
from identry.cli.terminal import say
from identry.core.address import TrustedProxies
from identry.core.address_gate import AddressGate
from identry.core.clock import SystemClock
from identry.core.origin import SYSTEM
from identry.flows.block_addresses.service import BlockAddresses
from identry.records import blocked_addresses
from identry.records.audit import Audit
from identry.records.blocked_addresses import BlockedAddress
from identry.settings import Settings

Job = Callable[[BlockAddresses], Awaitable[int]]


def listing() -> int:
    """Print what is blocked, one a line."""

    async def job(service: BlockAddresses) -> int:
        for row in await service.listing():
            say(_line(row))
        return 0

    return _run(job)


def add(address: str, *, reason: str, ttl: str) -> int:
    """Block an address or a network."""

    async def job(service: BlockAddresses) -> int:
        span = span_of("--for", ttl, "1m", "87600h") if ttl else None
        made, _ = await service.block(address, reason.strip(), span, "system", SYSTEM)
        say(_line(made))
        return 0

    return _run(job)


def remove(address: str) -> int:
    """Let in what was blocked; by its number, or as it was written."""

    async def job(service: BlockAddresses) -> int:
        found = await service.named(address)
        say(f"{await service.unblock(found.number, 'system', SYSTEM)} is let in again")
        return 0

    return _run(job)


def _line(row: BlockedAddress) -> str:
    until = f"until {row.expires_at:%Y-%m-%d %H:%M} UTC" if row.expires_at else "until it is removed"
    by = row.by_email or "an operator"
    return f"{row.number:>6}  {row.network!s:<24}  {until:<28}  by {by}{': ' if row.reason else ''}{row.reason}"


def _run(job: Job) -> int:
    """Do it with the service."""

    async def with_service(settings: Settings) -> int:
        clock = SystemClock()
        trusted = TrustedProxies(settings.trusted_proxy_cidrs)
        async with database_of(settings) as db, kv_of(settings, clock) as kv:
            gate = AddressGate(lambda: blocked_addresses.entries(db, clock.now()), kv, clock, trusted)
            return await job(BlockAddresses(db, clock, Audit(clock), gate))

    return one_off(with_service)
