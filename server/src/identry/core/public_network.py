"""HTTP to addresses that somebody else chose: only out into the public network (SECURITY §2 row 45).

An issuer is typed in by a tenant's administrator; whoever types one must not reach what only this server can reach. So
a name is resolved once, every address that it has must be public, and the connection goes to an address that was
looked at: a second answer of DNS changes nothing. TLS is proven against the name. What is refused fails exactly as
what does not answer, so nobody learns from here which hosts and ports there are.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx2
import structlog

log = structlog.get_logger(__name__)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

_NOT_PUBLIC: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            # IANA IPv4 special-purpose registry (RFC 6890 and later), multicast, and what was never given out
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            *("224.0.0.0/4", "240.0.0.0/4"),
            # within 2000::/3: protocol assignments with Teredo and ORCHID, documentation, 6to4
            *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
        ),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""Everything else of IPv6 is loopback, mapped, NAT64, unique local, link-local, site-local, multicast or unassigned."""
_HOST = re.compile(r"[A-Za-z0-9._:\-]{1,253}")
_MOST_ADDRESSES = 8
_CONNECT_TIMEOUT = 3.0


def is_public(address: Address) -> bool:
    """Whether an address is one that the whole Internet reaches, in its own form: no mapped or translated one."""
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_UNICAST or address.scope_id is not None):
        return False
    return not any(address in network for network in _NOT_PUBLIC)


class PublicNetwork(httpx2.AsyncBaseTransport):
    """The transport of a client that reaches public addresses, and those of networks that the operator lists.

    Every exchange has a connection of its own: one that was made for a name is never used for another of the same
    address.

    Args:
        allowed: private networks in which providers live all the same.
        plain_http: whether `http:` is accepted as far as this machine's loopback interface is among them.
        trusted: origins that the operator chose (`scheme://host[:port]`); they may be anywhere.
        resolve: host and port → its addresses as text; the system's resolver unless a test says otherwise.
        verify: what certificates are held against; the usual authorities unless a test says otherwise.
    """

    def __init__(
        self,
        allowed: tuple[Network, ...] = (),
        *,
        plain_http: bool = False,
        trusted: Collection[str] = (),
        resolve: Resolve | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._allowed = allowed
        self._plain_http = plain_http
        self._trusted = frozenset(trusted)
        self._names = _Names()
        self._resolve = resolve or self._names
        self._transport = httpx2.AsyncHTTPTransport(
            verify=verify, trust_env=False, limits=httpx2.Limits(max_connections=50, max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Resolve, look, connect to what was looked at.

        Raises:
            httpx2.ConnectError: refused, unknown, or nobody answers there: the same for all.
        """
        url = request.url
        if f"{url.scheme}://{url.netloc.decode('ascii')}" in self._trusted:
            return await self._transport.handle_async_request(request)
        if not self._is_well_formed(url):
            raise _unreachable(request)
        addresses = await self._addresses(request)
        for address in addresses:
            try:
                return await self._transport.handle_async_request(_pinned(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                log.info("outbound.no_connection", host=url.host, reason=type(error).__name__)
        raise _unreachable(request)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._transport.aclose()
        self._names.close()

    def _is_well_formed(self, url: httpx2.URL) -> bool:
        schemes = {"https", "http"} if self._plain_http else {"https"}
        host = _HOST.fullmatch(url.raw_host.decode("ascii"))
        port = url.port is None or 0 < url.port < 65536
        return url.scheme in schemes and host is not None and port and not url.userinfo and not url.fragment

    async def _addresses(self, request: httpx2.Request) -> list[Address]:
        url = request.url
        host, port = url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await self._resolve(host, port)
            addresses = list(dict.fromkeys(map(ip_address, found)))[:_MOST_ADDRESSES]
        except (OSError, ValueError, UnicodeError) as error:
            log.info("outbound.unknown_host", host=host[:253], reason=type(error).__name__)
            raise _unreachable(request) from None
        refused = [address for address in addresses if not self._may_connect(address, url.scheme)]
        if refused or not addresses:
            log.warning("outbound.refused", host=host[:253], addresses=[str(address) for address in refused])
            raise _unreachable(request)
        return addresses

    def _may_connect(self, address: Address, scheme: str) -> bool:
        listed = any(address in network for network in self._allowed)
        if scheme == "http":
            return listed and address.is_loopback
        return listed or is_public(address)


class _Names:
    """The system's resolver in threads of its own: a name server that never answers keeps nobody else waiting."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(4, "identry-names")

    async def __call__(self, host: str, port: int) -> list[str]:
        def ask() -> list[str]:
            return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _pinned(request: httpx2.Request, address: Address) -> httpx2.Request:
    """The request to one address; host header and certificate are still the name's."""
    timeouts = request.extensions.get("timeout", {})
    connect = min(timeouts.get("connect") or _CONNECT_TIMEOUT, _CONNECT_TIMEOUT)
    headers = request.headers.copy()
    headers["Connection"] = "close"
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=headers,
        stream=request.stream,
        extensions={
            **request.extensions,
            "timeout": {**timeouts, "connect": connect},
            "sni_hostname": request.url.raw_host.decode("ascii"),
        },
    )


def _unreachable(request: httpx2.Request) -> httpx2.ConnectError:
    return httpx2.ConnectError("unreachable", request=request)
