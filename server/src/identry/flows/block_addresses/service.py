"""Blocking networks and letting them in again. Source: contracts/provider-api.md §12 `/blocked-ips`.

Refused is all that is not the same for everybody, on every surface and port (decision "a blocked address meets one
gate"). What is enforced follows within seconds where a worker cannot be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Literal
from uuid import UUID

from identry.core.address import packed_address
from identry.core.address_gate import AddressGate, Network
from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.records import blocked_addresses
from identry.records.audit import Audit
from identry.records.blocked_addresses import BlockedAddress
from identry_kit.apierror import BadRequest, Conflict, NotFound

MOST = 5000
"""How many may be blocked at once: every worker holds them all. More is the work of a firewall."""
WIDEST = {4: 8, 6: 16}
"""Version → the shortest prefix."""


class NotANetwork(BadRequest):
    """400: it is no address and no network."""

    message = "send an address (192.0.2.1) or a network (192.0.2.0/24, 2001:db8::/64)"


class TooWide(BadRequest):
    """400: the network has more addresses than one block may."""

    message = "a block may be as wide as /8 (IPv4) or /16 (IPv6)"


class OwnAddress(Conflict):
    """409: the caller's own address is in it."""

    message = "your own address is in it: you would shut yourself out"


class SparedAddress(Conflict):
    """409: it overlaps with a trusted proxy or with this machine itself, which are never refused."""

    message = "it overlaps with a trusted proxy or with this machine itself"


class TooManyBlocked(Conflict):
    """409: as many networks are blocked as may be."""

    message = f"{MOST} networks are blocked already: block wider ones, or use a firewall"


class NotBlocked(NotFound):
    """404: there is no such block."""

    message = "no such block"


class BlockAddresses:
    """Keeps the list and tells the gate."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, gate: AddressGate) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._gate = gate

    async def listing(self) -> Sequence[BlockedAddress]:
        """What is blocked now, the newest first."""
        return await blocked_addresses.in_force(self._db, self._clock.now(), MOST)

    async def block(
        self, text: str, reason: str, ttl: timedelta | None, by: UUID | Literal["system"], origin: Origin
    ) -> tuple[BlockedAddress, bool]:
        """Block an address or a network; one that is blocked gets the new reason and the new end.

        Args:
            text: `192.0.2.1`, `192.0.2.0/24` …
            reason: in the words of whoever does it.
            ttl: for how long; None: until it is taken back.
            by: the administrator.
            origin: the request.

        Returns:
            The block, and whether it was not in force before.

        Raises:
            NotANetwork, TooWide, OwnAddress, SparedAddress, TooManyBlocked: as they say.
            ServiceUnavailable: the database cannot tell.
        """
        network, now = self._acceptable(text, origin), self._clock.now()
        until = None if ttl is None else now + ttl
        async with self._db.transaction() as tx:
            number, new = await blocked_addresses.put(
                tx, uuid7(self._clock), network, reason, by if isinstance(by, UUID) else None, now, until
            )
            told = {"network": str(network), "reason": reason, "until": until.isoformat() if until else None}
            await self._audit.record(tx, "address.blocked", origin, actor=by, details=told)
            if new and await blocked_addresses.count(tx, now) > MOST:
                raise TooManyBlocked
            made = await blocked_addresses.find(tx, number)
        assert made is not None
        await self._gate.changed()
        return made, new

    async def unblock(self, number: int, by: UUID | Literal["system"], origin: Origin) -> Network:
        """Let a network in again.

        Raises:
            NotBlocked: there is no such block.
            ServiceUnavailable: the database cannot tell.
        """
        async with self._db.transaction() as tx:
            network = await blocked_addresses.remove(tx, number)
            if network is not None:
                await self._audit.record(tx, "address.unblocked", origin, actor=by, details={"network": str(network)})
        if network is None:
            raise NotBlocked
        await self._gate.changed()
        return network

    async def named(self, text: str) -> BlockedAddress:
        """The block that an operator names, by its number or by exactly its network.

        Raises:
            NotBlocked: there is none.
        """
        if text.isascii() and text.isdecimal() and len(text) <= 18:
            found = await blocked_addresses.find(self._db, int(text))
        else:
            found = await blocked_addresses.find_network(self._db, network_of(text))
        if found is None:
            raise NotBlocked
        return found

    def _acceptable(self, text: str, origin: Origin) -> Network:
        """The network, when it may be blocked by whoever asks."""
        network = network_of(text)
        if network.prefixlen < WIDEST[network.version]:
            raise TooWide
        if self._gate.spares(network) is not None:
            raise SparedAddress
        own = packed_address(origin.ip or "")
        if own is not None and ip_address(own) in network:
            raise OwnAddress
        return network


def network_of(text: str) -> Network:
    """An address or a network as somebody writes it; an IPv4 address written as IPv6 is the IPv4 address.

    Raises:
        NotANetwork: it is neither, or has bits set beyond its prefix.
    """
    text = text.strip()
    try:
        if "/" in text:
            return ip_network(text)
        address = ip_address(text)
    except ValueError:
        raise NotANetwork from None
    if address.version == 6 and (address.scope_id or address.ipv4_mapped is not None):
        if address.ipv4_mapped is None:
            raise NotANetwork
        return ip_network(address.ipv4_mapped)
    return ip_network(address)
