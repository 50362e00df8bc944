"""Who is calling, by network address: the right-most hop that is not one of our own proxies.

Anyone can write an `X-Forwarded-For`; only what a trusted proxy appended to it means something (ASVS 15.3.4).
Nothing in here raises on what a client sent, and nothing asks DNS.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

MAX_HOPS = 32
"""How many hops are read from the right; a longer chain of trusted proxies does not exist."""
_MAX_HOP_LENGTH = 64
_MAPPED = bytes(10) + b"\xff\xff"  # the first 12 of the 16 bytes of an IPv4 address in IPv6 (RFC 4291 §2.5.5.2)


@dataclass(frozen=True)
class TrustedProxies:
    """The networks whose `X-Forwarded-For` is believed."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, cidrs: str | Iterable[str]) -> TrustedProxies:
        """From `10.0.0.0/8, 2001:db8::/32` or a sequence of such; a bare address is a network of one.

        Raises ValueError naming the part that is no network (it has host bits set, for example).
        """
        parts = cidrs.split(",") if isinstance(cidrs, str) else cidrs
        return cls(tuple(ip_network(part.strip()) for part in parts if part.strip()))

    def trusts(self, address: bytes) -> bool:
        """Whether a packed address (4 or 16 bytes) is in one of the networks."""
        number, size = int.from_bytes(address), len(address)
        for length, mask, first in self._masks:  # noqa: SIM110 - asked twice by every request: a generator costs more
            if size == length and number & mask == first:
                return True
        return False

    @cached_property
    def _masks(self) -> list[tuple[int, int, int]]:
        """Of each network: bytes of an address, its mask, its first address."""
        return [
            (network.max_prefixlen // 8, int(network.netmask), int(network.network_address))
            for network in self.networks
        ]


def client_ip(peer: str | None, forwarded_for: Sequence[str], trusted: TrustedProxies) -> str | None:
    """The address of the client behind `trusted` proxies, in canonical form; None when it has none (a Unix socket).

    `peer` is the other end of the connection, `forwarded_for` the values of every `X-Forwarded-For` header line in
    their order. The peer counts when it is no trusted proxy. Otherwise the hops are read from the right: trusted ones
    are passed over and the first other one is the client. What is no address ends the reading, and the proxy that
    vouched for it stands for the client: nothing to the left of it was written by someone we trust.
    """
    nearest = _packed(peer or "")
    if nearest is None or not trusted.trusts(nearest):
        return None if nearest is None else _text(nearest)
    hops = ",".join(forwarded_for).rsplit(",", MAX_HOPS)[-MAX_HOPS:]
    for hop in reversed(hops):
        address = _packed(hop)
        if address is None:
            break
        nearest = address
        if not trusted.trusts(address):
            break
    return _text(nearest)


def packed_address(text: str) -> bytes | None:
    """The 4 or 16 bytes of an address as a client's is written; None when it is none."""
    return _packed(text)


def canonical_address(text: str) -> str | None:
    """An address as it is written in here (RFC 5952; an IPv4 address never as IPv6); None when it is none."""
    packed = _packed(text)
    return None if packed is None else _text(packed)


def is_loopback(host: str) -> bool:
    """Whether a configured host is an address of this machine alone; a name but `localhost` counts as not."""
    packed = _packed(host)
    if packed is None:
        return host.lower() == "localhost"
    return packed[0] == 127 if len(packed) == 4 else packed == bytes(15) + b"\x01"


def address_bucket(address: str) -> str:
    """What limits count by: the /64 of an IPv6 address, since one subscriber commonly has all of it; else `address`.

    Takes any text; what is no IPv6 address comes back as it is.
    """
    if ":" not in address:
        return address
    try:
        network = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8]
    except (OSError, ValueError):
        return address
    return socket.inet_ntop(socket.AF_INET6, network + bytes(8)) + "/64"


def _packed(text: str) -> bytes | None:
    """One hop: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`; else None.

    An IPv4-mapped IPv6 address is the IPv4 address (a dual-stack socket shows every IPv4 peer that way), and a zone
    (`fe80::1%eth0`) is dropped: it names an interface of whoever wrote it.
    """
    text = text.strip(" \t")
    return _packed_short(text) if 0 < len(text) <= _MAX_HOP_LENGTH else None


@lru_cache(maxsize=2048)  # the same proxies and clients come again; bounded keys of bounded length
def _packed_short(text: str) -> bytes | None:
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in text or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, _, digits = text.partition(":")
        if not _is_port(":" + digits) or ":" in text:
            return None
    text = text.partition("%")[0]
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        address = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return address[12:] if address.startswith(_MAPPED) else address


def _text(address: bytes) -> str:
    """A packed address in canonical form (RFC 5952)."""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def _is_port(text: str) -> bool:
    """`:0` … `:65535`, ASCII digits only."""
    digits = text[1:]
    return text[0] == ":" and digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) < 65536
