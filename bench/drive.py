"""Load on one endpoint: wrk where it is installed, else a driver of our own on asyncio; the same for both sides.

A `Load` says what is sent. Requests take turns through its variants; `addresses` gives each request a client address of
its own (no limit is to be measured by accident); `chain` feeds the refresh token of each answer into a later request,
`cookie` does so through the cookie that holds it.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

import uvloop

from bench.server import Server

CONNECTIONS = 32
_IP = "2001:db8:{:x}:{:x}::1"


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent.

    Attributes:
        bearers: access tokens that take turns.
        bodies: bodies that take turns; with `chain`, refresh tokens to begin with.
        media_type: of the bodies.
        origin: of the page that asks.
    """

    method: str
    path: str
    bearers: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    media_type: str = "application/json"
    addresses: bool = False
    chain: bool = False
    cookie: bool = False
    origin: str = ""

    def variants(self) -> list[tuple[str, str]]:
        """Head and rest of each request; an address, or a token, goes between."""
        start = f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: bench\r\n"
        start += f"Origin: {self.origin}\r\n" if self.origin else ""
        if self.cookie:
            return [(f"{start}Content-Type: application/json\r\nContent-Length: 0\r\n", "")]
        if self.chain:
            length = len(_refresh_body(self.bodies[0]))
            return [(f"{start}Content-Type: application/json\r\nContent-Length: {length}\r\n", "")]
        found = []
        for index in range(max(len(self.bearers), len(self.bodies), 1)):
            rest = f"Authorization: Bearer {self.bearers[index]}\r\n" if self.bearers else ""
            if self.bodies:
                rest += f"Content-Type: {self.media_type}\r\nContent-Length: {len(self.bodies[index])}\r\n"
                rest += f"\r\n{self.bodies[index]}"
            else:
                rest += "\r\n"
            found.append((start, rest))
        return found


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round measured.

    Attributes:
        rate: answers a second.
        p50, p99: milliseconds.
        failed: answers that were not 2xx.
        broken: connections.
        cpu: microseconds of the server's workers for each answer (its database's apart).
    """

    rate: float
    p50: float = 0.0
    p99: float = 0.0
    failed: int = 0
    broken: int = 0
    cpu: float = 0.0


def driver() -> str:
    """The name of the driver."""
    return "wrk" if shutil.which("wrk") else "own"


def drive(server: Server, load: Load, *, seconds: float, connections: int = CONNECTIONS, own: bool = False) -> Sample:
    """One round."""
    before = server.cpu()
    if own or not shutil.which("wrk"):
        sample = uvloop.run(_Own(server.port, load).run(seconds, connections))
    else:
        sample = _wrk(server.port, load, seconds, connections)
    return replace(sample, cpu=(server.cpu() - before) / max(1.0, sample.rate * seconds) * 1e6)


def _refresh_body(token: str) -> str:
    return json.dumps({"refreshToken": token}, separators=(",", ":"))


def _refresh_cookie(token: str) -> str:
    return f"Cookie: refresh_token={token}\r\n"


_LUA = """
local head, rest, tokens, n, i, first, last = {}, {}, {}, 0, 0, 1, 0
local chain, cookie, addresses, seed = %(chain)s, %(cookie)s, %(addresses)s, %(seed)d
for line in io.open("%(data)s", "rb"):read("*a"):gmatch("([^%%z]*)%%z") do
  n = n + 1
  if chain and n > 2 then last = last + 1; tokens[last] = line
  elseif n %% 2 == 1 then head[(n + 1) / 2] = line else rest[n / 2] = line end
end
local variants = #rest
local function address()
  local number = seed + i
  local high, low = math.floor(number / 65536) %% 65536, number %% 65536
  return string.format("X-Forwarded-For: 2001:db8:%%x:%%x::1\\r\\n", high, low)
end
request = function()
  i = i + 1
  if chain then
    local token = tokens[first] or "none"
    tokens[first] = nil
    first = first + 1
    if cookie then return head[1] .. address() .. "Cookie: refresh_token=" .. token .. "\\r\\n\\r\\n" end
    return head[1] .. address() .. '\\r\\n{"refreshToken":"' .. token .. '"}'
  end
  local v = i %% variants + 1
  if addresses then return head[v] .. address() .. rest[v] end
  return head[v] .. rest[v]
end
if chain then
  response = function(status, headers, body)
    local token = cookie and (headers["set-cookie"] or ""):match("^refresh_token=([^;]+)")
      or body:match('"refreshToken":"([^"]+)"')
    if token then last = last + 1; tokens[last] = token end
  end
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nRESULT {"requests":%%d,"micros":%%d,"p50":%%d,"p99":%%d,"failed":%%d,"broken":%%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), e.status,
    e.connect + e.read + e.write + e.timeout))
end
"""

_rounds = iter(range(1, 1 << 30))


def _wrk(port: int, load: Load, seconds: float, connections: int) -> Sample:
    with tempfile.TemporaryDirectory(prefix="identry-bench-") as folder:
        data, script = Path(folder, "data"), Path(folder, "load.lua")
        pieces = [piece for variant in load.variants() for piece in variant] + (load.bodies if load.chain else [])
        data.write_bytes(b"".join(piece.encode() + b"\0" for piece in pieces))
        values = {
            "chain": str(load.chain).lower(),
            "cookie": str(load.cookie).lower(),
            "addresses": str(load.addresses).lower(),
            "data": str(data),
            "seed": next(_rounds) * 1_000_003,
        }
        script.write_text(_LUA % values)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        done = subprocess.run(
            [*command, "-s", str(script), f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True
        )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    got = json.loads(line.removeprefix("RESULT "))
    return Sample(
        rate=got["requests"] / (got["micros"] / 1e6),
        p50=got["p50"] / 1000,
        p99=got["p99"] / 1000,
        failed=got["failed"],
        broken=got["broken"],
    )


class _Own:
    """Keep-alive connections over raw sockets; one request at a time on each."""

    def __init__(self, port: int, load: Load) -> None:
        self._port = port
        self._load = load
        self._variants = [(head.encode(), rest.encode()) for head, rest in load.variants()]
        self._tokens = deque(load.bodies if load.chain else ())
        self._count = 0
        self._seed = next(_rounds) * 1_000_003
        self.until = 0.0
        self.latencies: list[float] = []
        self.failed = 0
        self.broken = 0

    async def run(self, seconds: float, connections: int) -> Sample:
        loop = asyncio.get_running_loop()
        started = perf_counter()
        self.until = started + seconds
        ends = []
        for _ in range(connections):
            _, protocol = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
            ends.append(protocol.ended)
        await asyncio.wait(ends, timeout=seconds + 10)
        took = perf_counter() - started
        cuts = statistics.quantiles(self.latencies, n=100) if len(self.latencies) > 1 else [0.0] * 99
        return Sample(len(self.latencies) / took, cuts[49] * 1000, cuts[98] * 1000, self.failed, self.broken)

    def next_request(self) -> bytes:
        self._count += 1
        head, rest = self._variants[self._count % len(self._variants)]
        number = self._seed + self._count
        address = b"X-Forwarded-For: " + _IP.format(number >> 16 & 0xFFFF, number & 0xFFFF).encode() + b"\r\n"
        if self._load.cookie:
            return head + address + _refresh_cookie(self._tokens.popleft()).encode() + b"\r\n"
        if self._load.chain:
            return head + address + b"\r\n" + _refresh_body(self._tokens.popleft()).encode()
        return head + address + rest if self._load.addresses else head + rest

    def answered(self, head: bytes, body: bytes, seconds: float) -> None:
        self.latencies.append(seconds)
        if not head[9:12].startswith(b"2"):
            self.failed += 1
        elif self._load.cookie:
            self._tokens.append(head.partition(b"refresh_token=")[2].partition(b";")[0].decode())
        elif self._load.chain:
            self._tokens.append(json.loads(body)["data"]["refreshToken"])


class _Connection(asyncio.Protocol):
    def __init__(self, owner: _Own) -> None:
        self._owner = owner
        self._buffer = b""
        self._sent = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # a TCP transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(body) < length:
            return
        self._buffer = b""
        self._owner.answered(head, body, perf_counter() - self._sent)
        if perf_counter() < self._owner.until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None or perf_counter() < self._owner.until:
            self._owner.broken += 1
        if not self.ended.done():
            self.ended.set_result(None)

    def _send(self) -> None:
        self._sent = perf_counter()
        self._transport.write(self._owner.next_request())


def median_of(samples: list[Sample]) -> tuple[float, float]:
    """The median rate and its spread: (max - min) / median."""
    rates = [sample.rate for sample in samples]
    middle = statistics.median(rates)
    return middle, (max(rates) - min(rates)) / middle if middle else 0.0


def alternate(rounds: int, *sides: Iterator[Sample]) -> list[list[Sample]]:
    """A B A B …: each side's samples."""
    results: list[list[Sample]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, kept in zip(sides, results, strict=True):
            kept.append(next(side))
    return results
