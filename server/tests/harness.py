"""The application under test, in this process, behind a real loopback port."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import msgspec
import uvicorn
from conformance import Conformance
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from services.clocks import SteadyClock
from wire import KeptConnections

from identry import tenancy
from identry.app import Application
from identry.core.clock import MovableClock
from identry.core.ids import uuid7
from identry.federation.reach import TenantProviders
from identry.records import memberships, users
from identry.settings import load
from identry.web.endpoint import GuardCheck

PASSWORD = "correct horse battery staple"

SIGNING_PEM = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the real engines of this run listen; `name_server` keeps every test out of the Internet's DNS."""

    postgres_url: str
    redis_url: str
    name_server: str = ""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: pytest keeps Ctrl-C."""

    @asynccontextmanager
    async def _nothing(self) -> AsyncIterator[None]:
        yield

    def capture_signals(self) -> Any:
        import contextlib

        return contextlib.nullcontext()


@dataclass(slots=True)
class Person:
    """A user made for a test and, after `sign_in`, the tokens of its session."""

    id: UUID
    email: str
    password: str
    access_token: str = ""
    refresh_token: str = ""
    session_id: str = ""

    @property
    def bearer(self) -> dict[str, str]:
        """The `Authorization` header of its session."""
        return {"Authorization": f"Bearer {self.access_token}"}


class Harness:
    """One application on a port, and what a test needs to drive it.

    Attributes:
        app: the application; `app.engines.db` is its database.
        clock: moves its time.
        http: a client bound to it.
        env: the environment it was built from.
    """

    def __init__(self, app: Application, clock: MovableClock, base_url: str, env: Mapping[str, str]) -> None:
        self.app = app
        self.clock = clock
        self.base_url = base_url
        self.env = env
        self.db = app.engines.db
        self.http = httpx2.AsyncClient(
            base_url=base_url,
            timeout=30,
            transport=KeptConnections(),
            event_hooks={"response": [Conformance(app.operations).check]},
        )
        self._password_hash = ""

    async def password_hash(self) -> str:
        """A hash of `PASSWORD`, made once."""
        if not self._password_hash:
            self._password_hash = await self.app.engines.passwords.hash(PASSWORD)
        return self._password_hash

    async def make_user(self, **fields: Any) -> Person:
        """A user in the database: active, approved, with `PASSWORD`; `fields` replace those of the row."""
        user = users.new(
            uuid7(self.clock),
            f"u-{secrets.token_hex(6)}@example.com",
            self.clock.now(),
            full_name="Test Person",
            password_hash=await self.password_hash(),
            is_active=True,
            approval_status="APPROVED",
            email_verified=True,
        )
        user = msgspec.structs.replace(user, **fields)
        assert await users.insert(self.db, user)
        return Person(user.id, user.email, PASSWORD)

    async def join(self, person: Person, company_id: UUID, role: str, *, is_active: bool = True) -> None:
        """Give a person a role in a company."""
        now = self.clock.now()
        await memberships.put_company(
            self.db, uuid7(self.clock), company_id, person.id, role, is_active=is_active, now=now
        )
        await tenancy.follow(self.db, self.clock, (company_id,), (person.id,))

    async def join_unit(
        self, person: Person, company_id: UUID, unit_id: UUID, role: str, *, is_active: bool = True
    ) -> None:
        """Give a person a role in a business unit."""
        now = self.clock.now()
        await memberships.put_business_unit(
            self.db, uuid7(self.clock), company_id, unit_id, person.id, role, is_active=is_active, now=now
        )

    async def sign_in(self, person: Person) -> Person:
        """Log in over HTTP; the tokens are stored in `person`."""
        reply = await self.http.post(
            "/auth/login",
            json={"email": person.email, "password": person.password},
            headers={"X-Forwarded-For": self.fresh_ip()},
        )
        assert reply.status_code == 200, reply.text
        data = reply.json()["data"]
        person.access_token, person.refresh_token = data["accessToken"], data["refreshToken"]
        person.session_id = data["sessionId"]
        return person

    async def signed_in(self, **fields: Any) -> Person:
        """A new user with a session."""
        return await self.sign_in(await self.make_user(**fields))

    def fresh_ip(self) -> str:
        """A client address that no limit has seen (the harness trusts loopback as its proxy)."""
        return f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"

    async def audit(self, event: str | None = None, **where: Any) -> list[dict[str, Any]]:
        """Audit rows, oldest first, of one event and with the given column values."""
        sql, args = "SELECT * FROM auth_audit_logs WHERE true", []
        for column, value in {"event": event, **where}.items():
            if value is not None:
                args.append(value)
                sql += f" AND {column} = ${len(args)}"
        return [dict(row) for row in await self.db.fetch(sql + " ORDER BY occurred_at, id", *args)]

    async def mails(self, to: str) -> list[dict[str, Any]]:
        """Mail captured for an address, newest first, as `/dev/mail.json` shows it."""
        reply = await self.http.get("/dev/mail.json", params={"to": to})
        assert reply.status_code == 200, reply.text
        mails: list[dict[str, Any]] = reply.json()
        return mails


BASE_ENV = {
    "APP_ENV": "development",
    "REDIS_TIMEOUT": "10s",  # this process does everything at once; what a slow engine means is tested elsewhere
    "DATABASE_TIMEOUT": "30s",
    "JWT_SIGNING_KEY_PEM": SIGNING_PEM,
    "SECRET_KEY": "test-" + "k" * 40,
    "INTERNAL_API_KEY": "internal-" + "a" * 32,
    "ARGON2_TIME": "1",
    "ARGON2_MEMORY": "64",
    "ARGON2_THREADS": "1",
    "TRUSTED_PROXY_CIDRS": "127.0.0.0/8",
    "FRONTEND_URL": "https://app.example.com",
    "PUBLIC_REGISTRATION_ENABLED": "true",
    "API_PUBLIC_URL": "https://auth.example.com",
    "OAUTH_ISSUER": "https://auth.example.com",
    "ADMIN_PORT": "0",
    "BACKCHANNEL_LOGOUT_NETWORKS": "127.0.0.0/8",
    "DYNAMIC_REGISTRATION": "true",
    "APP_BASE_URL": "https://app.example.com",
    "ALLOW_ORIGINS": "https://cloud.example.com,http://localhost:5173",
}


_serving: set[Harness] = set()


def put_clocks_back() -> None:
    """To the real time, of every application that serves in this process.

    They share a database: one that is ahead would take the others' mail for too old to be sent, and erase it.
    """
    for harness in _serving:
        harness.clock.reset()


@asynccontextmanager
async def running(
    servers: Servers,
    *,
    redis: bool = True,
    browser: GuardCheck | None = None,
    port: int = 0,
    front: Callable[[Any], Any] | None = None,
    tenants: TenantProviders | None = None,
    clock: MovableClock | None = None,
    **env: str,
) -> AsyncIterator[Harness]:
    """An application with `env` over `BASE_ENV`, serving; `redis=False` uses the in-process twin.

    `port` is where, if it has to be known before; `front` puts something of the test's own before the application.
    """
    engines = {"DATABASE_URL": servers.postgres_url, "DNS_SERVERS": servers.name_server}
    environment = {**BASE_ENV, **engines, **env}
    if redis:
        environment.setdefault("REDIS_URL", servers.redis_url)
    clock = clock or SteadyClock()
    app = Application(load(environment), clock, browser, tenants)
    # With the protocol named, asyncio sets TCP_NODELAY on what it accepts; without, each answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    config = uvicorn.Config(
        front(app) if front else app,
        timeout_keep_alive=120,
        log_config=None,
        lifespan="on",
        access_log=False,
        ws="none",
        server_header=False,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if task.done():
            raise RuntimeError("the application did not start; see the log above")
        await asyncio.sleep(0.01)
    port = listener.getsockname()[1]
    harness = Harness(app, clock, f"http://127.0.0.1:{port}", environment)
    _serving.add(harness)
    try:
        yield harness
    finally:
        _serving.discard(harness)
        await harness.http.aclose()
        server.should_exit = True
        await task
