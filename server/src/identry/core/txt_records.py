"""TXT records of a domain, asked of the DNS: bounded in time, and of the name itself.

An alias is not followed: who writes at the end of a CNAME is not for that reason who owns the name it begins at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

import structlog

from identry.core.late import Late

if TYPE_CHECKING:
    import dns.asyncresolver

log = structlog.get_logger(__name__)

TIMEOUT = 5.0
_SERVER = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?")
_MOST_RECORDS = 100


class DnsUnavailable(Exception):
    """No name server told whether there are records; the text says why in a few words."""


def name_server(text: str) -> tuple[str, int]:
    """Address and port of a name server: `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53`, `[2001:db8::53]:5353`.

    Raises:
        ValueError: it is none.
    """
    found = _SERVER.fullmatch(f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text)
    if found is None:
        raise ValueError("is no address of a name server, 192.0.2.53 or [2001:db8::53]:53")
    port = int(found["port"] or 53)
    if not 0 < port < 65536:
        raise ValueError("names no port")
    return str(ip_address(found["six"] or found["four"])), port


class TxtRecords:
    """Asks for TXT records.

    Args:
        servers: whom to ask, as `name_server` reads them; none: those of the system.
        timeout: seconds for a whole look-up.
    """

    def __init__(self, servers: Sequence[str] = (), timeout: float = TIMEOUT) -> None:
        self._servers = [name_server(server) for server in servers]
        self._timeout = timeout
        self._ready = Late(_load)

    async def of(self, domain: str) -> list[str]:
        """The texts at a domain (A-labels), each with its parts joined; none when there are none.

        Raises:
            DnsUnavailable: no server answered in time.
        """
        await self._ready()
        import dns.exception
        import dns.name
        import dns.rdatatype
        import dns.resolver

        name = dns.name.from_text(domain, origin=dns.name.root)
        try:
            answer = await self._resolver().resolve(
                name, dns.rdatatype.TXT, lifetime=self._timeout, search=False, raise_on_no_answer=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            log.info("dns.unavailable", domain=domain, reason=type(error).__name__)
            raise DnsUnavailable(type(error).__name__) from error
        if answer.rrset is None or answer.canonical_name != name:
            return []
        return [b"".join(record.strings).decode("utf-8", "replace") for record in list(answer.rrset)[:_MOST_RECORDS]]

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """Read anew each time: the system's servers change while a process runs."""
        import dns.asyncresolver
        import dns.nameserver

        if not self._servers:
            return dns.asyncresolver.Resolver()
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in self._servers]
        return resolver


def _load() -> None:
    """What a look-up needs, and what the library itself loads as late as that."""
    import dns.asyncbackend
    import dns.asyncquery
    import dns.asyncresolver
    import dns.nameserver
    import dns.rdtypes.ANY.TXT

    dns.asyncbackend.get_backend("asyncio")
