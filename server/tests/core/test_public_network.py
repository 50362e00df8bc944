"""Where a request that somebody else chose the address of may go: the table of SECURITY §2 row 45 and F18.

Every private address of the table is this machine or pretends to be: listeners count who connects, and must see nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from rows import every
from services.certificates import self_signed
from services.pauses import Pauses

from identry.core.outbound import JsonClient, OutboundError
from identry.core.public_network import PublicNetwork, Resolve, is_public

NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody; to read all authorities of the machine takes longer than a test."""
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass
class Listener:
    """Answers JSON to everybody, and counts who came.

    Attributes:
        heads: what they asked.
        redirect: where it sends them instead, when set.
    """

    port: int = 0
    seen: int = 0
    heads: list[str] = field(default_factory=list)
    redirect: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
            body = json.dumps({"ok": True}).encode()
            status = f"302 Found\r\nLocation: {self.redirect}" if self.redirect else "200 OK"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def listening(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    listener = Listener()
    server = await asyncio.start_server(listener.serve, host, 0, ssl=tls)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def private() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener


def resolving(*answers: list[str]) -> Resolve:
    """A name server that gives these answers, one after the other, the last for ever."""
    left = list(answers)

    async def resolve(host: str, port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def refused(client: JsonClient, url: str) -> str:
    with pytest.raises(OutboundError) as caught:
        await client.get(url)
    return str(caught.value)


HOSTS = [
    "127.0.0.1",
    "127.1",
    "127.000.000.001",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0.0.0.0",
    "0",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "[ff02::1]",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "%31%32%37.0.0.1",
]


async def test_private_addresses_are_refused_in_every_spelling(private: Listener) -> None:
    client = JsonClient(transport=PublicNetwork(plain_http=True))
    wrong = {}
    for url in (f"{scheme}://{host}:{private.port}/" for scheme in ("https", "http") for host in HOSTS):
        told = await refused(client, url)
        if told not in {"ConnectError", "InvalidURL"} or private.seen:
            wrong[url] = told
            private.seen = 0
    assert wrong == {}
    await client.close()


@every(
    "url",
    [
        "http://public.example/",
        "file:///etc/passwd",
        "ftp://public.example/",
        "gopher://127.0.0.1/",
        "data:application/json,{}",
        "unix:/run/postgresql",
        "//127.0.0.1/",
        "/",
        "",
        "https://",
        "https:///x",
        "https://user@public.example/",
        "https://public.example@127.0.0.1/",
        "https://public.example/#@127.0.0.1",
        "https://a b/",
        "https://public.example:99999/",
    ],
)
async def test_only_https_with_a_host_and_nothing_else_is_asked(url: str) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    client = JsonClient(transport=PublicNetwork(resolve=resolve, verify=NOBODY))
    await refused(client, url)
    assert asked == []
    await client.close()


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["127.0.0.1", "93.184.216.34"], []],
)
async def test_a_name_with_any_private_address_is_refused(private: Listener, answers: list[str]) -> None:
    client = JsonClient(transport=PublicNetwork(resolve=resolving(answers)))
    assert await refused(client, f"https://rebind.example:{private.port}/") == "ConnectError"
    assert private.seen == 0
    await client.close()


async def test_a_name_is_resolved_once_and_the_connection_goes_where_it_was_looked_at(private: Listener) -> None:
    async with listening("127.0.0.5") as listed:
        network = PublicNetwork(
            (ip_network("127.0.0.5/32"),), plain_http=True, resolve=resolving(["127.0.0.5"], ["127.0.0.1"])
        )
        client = JsonClient(transport=network)
        reply = await client.get(f"http://rebind.example:{listed.port}/well-known?x=1")
        assert reply.body == {"ok": True}
        head = listed.heads[0].lower()
        assert head.startswith("get /well-known?x=1 http/1.1")
        assert f"host: rebind.example:{listed.port}" in head
        assert await refused(client, f"http://rebind.example:{private.port}/") == "ConnectError"
        assert (listed.seen, private.seen) == (1, 0)
        await client.close()


async def test_a_redirect_is_an_answer_and_nobody_goes_there(private: Listener) -> None:
    async with listening("127.0.0.5") as listed:
        listed.redirect = f"http://127.0.0.1:{private.port}/"
        client = JsonClient(transport=PublicNetwork((ip_network("127.0.0.5/32"),), plain_http=True))
        assert (await client.get(f"http://127.0.0.5:{listed.port}/")).status == 302
        assert private.seen == 0
        await client.close()


async def test_open_and_closed_private_ports_answer_the_same_and_at_once(private: Listener) -> None:
    client = JsonClient(transport=PublicNetwork())
    with Pauses() as pauses:
        started = time.monotonic()
        answers = {
            await refused(client, f"https://{host}/")
            for host in (f"127.0.0.1:{private.port}", "127.0.0.1:1", f"localhost:{private.port}", "10.255.255.1")
        }
        assert time.monotonic() - started < 2 + pauses.seconds, "nobody was waited for"
    assert answers == {"ConnectError"}
    await client.close()


async def test_a_closed_port_out_in_public_says_no_more_than_a_refused_address() -> None:
    client = JsonClient(transport=PublicNetwork(LOOPBACK))
    assert await refused(client, "https://127.0.0.1:1/") == "ConnectError"
    await client.close()


async def test_an_origin_that_the_operator_chose_may_be_anywhere_and_no_other_of_its_host(private: Listener) -> None:
    async with listening() as other:
        client = JsonClient(transport=PublicNetwork(trusted=(f"http://127.0.0.1:{private.port}",)))
        assert (await client.get(f"http://127.0.0.1:{private.port}/keys")).status == 200
        for url in (f"http://127.0.0.1:{other.port}/", f"https://127.0.0.1:{private.port}/"):
            assert await refused(client, url) == "ConnectError"
        assert (private.seen, other.seen) == (1, 0)
        await client.close()


async def test_plain_http_needs_both_the_permission_and_a_listed_network(private: Listener) -> None:
    url = f"http://127.0.0.1:{private.port}/"
    for network in (PublicNetwork(LOOPBACK), PublicNetwork(plain_http=True)):
        client = JsonClient(transport=network)
        assert await refused(client, url) == "ConnectError"
        await client.close()
    assert private.seen == 0
    client = JsonClient(transport=PublicNetwork(LOOPBACK, plain_http=True))
    assert (await client.get(url)).status == 200
    await client.close()


async def test_a_certificate_is_held_against_the_name_and_not_against_the_address(tmp_path: Path) -> None:
    server_side, certificate = self_signed(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with listening(tls=server_side) as listed:
        network = PublicNetwork(LOOPBACK, resolve=resolving(["127.0.0.1"]), verify=trusting)
        client = JsonClient(transport=network)
        assert (await client.get(f"https://localhost:{listed.port}/")).body == {"ok": True}
        assert await refused(client, f"https://other.example:{listed.port}/") == "ConnectError"
        await client.close()
        untrusting = JsonClient(transport=PublicNetwork(LOOPBACK, resolve=resolving(["127.0.0.1"])))
        assert await refused(untrusting, f"https://localhost:{listed.port}/") == "ConnectError"
        await untrusting.close()


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with listening("127.0.0.5") as listed:
        answers = resolving(["127.0.0.9", "127.0.0.5"])
        client = JsonClient(transport=PublicNetwork(LOOPBACK, plain_http=True, resolve=answers))
        assert (await client.get(f"http://two.example:{listed.port}/")).status == 200
        await client.close()


async def test_a_name_server_that_fails_or_never_answers_is_an_outage_and_bounded() -> None:
    async def failing(host: str, port: int) -> list[str]:
        raise OSError("SERVFAIL")

    async def silent(host: str, port: int) -> list[str]:
        await asyncio.sleep(30)
        return []

    for resolve in (failing, silent):
        client = JsonClient(timeout=0.2, transport=PublicNetwork(resolve=resolve))
        assert await refused(client, "https://name.example/") in {"ConnectError", "no answer within 0.2 s"}
        await client.close()


def test_public_addresses_are_public() -> None:
    for text in ("8.8.8.8", "93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "2001:4860:4860::8888"):
        assert is_public(ip_address(text)), text
