"""A name server on a loopback UDP port that knows what a test tells it."""

from __future__ import annotations

import asyncio

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class NameServer(asyncio.DatagramProtocol):
    """Answers queries for TXT records.

    Attributes:
        texts: name → its texts.
        aliases: name → the name that it is an alias of.
        silent: whether nobody is answered.
        rcode: what everybody is answered instead, when set.
        asked: the names that were asked for.
    """

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.aliases: dict[str, str] = {}
        self.silent = False
        self.rcode: dns.rcode.Rcode | None = None
        self.asked: list[str] = []
        self.address = ""
        self._transport: asyncio.DatagramTransport

    async def start(self) -> NameServer:
        """Listen; `address` is where."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])
        return self

    def stop(self) -> None:
        """Close the port."""
        self._transport.close()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text().rstrip(".").lower()
        self.asked.append(name)
        if self.silent:
            return
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if self.rcode is not None:
            reply.set_rcode(self.rcode)
        else:
            target = self.aliases.get(name)
            if target is not None:
                reply.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "CNAME", target + "."))
            texts = self.texts.get(target or name)
            if texts is None and target is None:
                reply.set_rcode(dns.rcode.NXDOMAIN)
            elif texts:
                quoted = [" ".join(f'"{t[i : i + 200]}"' for i in range(0, len(t), 200)) for t in texts]
                reply.answer.append(dns.rrset.from_text((target or name) + ".", 60, "IN", "TXT", *quoted))
        self._transport.sendto(reply.to_wire(), addr)
