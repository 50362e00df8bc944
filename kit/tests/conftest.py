"""What the kit's tests share: a driver that speaks ASGI to an application, and a clock that tests move."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, settings
from services.databases import create_database
from services.logs import restored_logging
from services.postgres import shared_postgres

from identry.core.embedded import EmbeddedPostgres

# How long one example takes says how busy the machine is, and nothing about the code.
settings.register_profile("identry", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("identry")


@pytest.fixture(scope="session", autouse=True)
def _one_certificate_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every HTTP client reads all authorities of the machine, which takes longer than most tests; none speaks TLS."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + timedelta(days=1))
    store = tmp_path_factory.mktemp("authorities") / "one.pem"
    store.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(store))
        yield


@pytest.fixture(autouse=True)
def _logging_of_its_own() -> Iterator[None]:
    """A framework that is made in a test may configure all logging."""
    with restored_logging():
        yield


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged, but for what other tests leave behind in this process: servers, and tasks that end late."""

    def ours(record: logging.LogRecord) -> bool:
        return record.name.partition(".")[0] not in {"asyncio", "uvicorn", "mail"}

    caplog.handler.addFilter(ours)
    yield caplog
    caplog.handler.removeFilter(ours)


@dataclass
class Answer:
    """Everything that an application sent, and how many times it read."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    reads: int = 0

    @property
    def starts(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == "http.response.start"]

    @property
    def status(self) -> int:
        assert len(self.starts) == 1, self.messages
        return int(self.starts[0]["status"])

    @property
    def header_list(self) -> list[tuple[str, str]]:
        return [(name.decode(), value.decode()) for name, value in self.starts[0]["headers"]]

    @property
    def headers(self) -> dict[str, str]:
        names = [name for name, _ in self.header_list]
        assert len(names) == len(set(names)), f"a header twice: {names}"
        return dict(self.header_list)

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")

    @property
    def complete(self) -> bool:
        return any(m["type"] == "http.response.body" and not m.get("more_body") for m in self.messages)


async def _call(
    app: Any,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    chunks: Iterable[bytes] = (),
    kind: str = "http",
    client: tuple[str, int] | None = ("192.0.2.1", 1234),
    http_version: str = "1.1",
) -> Answer:
    answer = Answer()
    pending = list(chunks) or [b""]

    async def receive() -> dict[str, Any]:
        answer.reads += 1
        if kind == "websocket":
            return {"type": "websocket.connect" if answer.reads == 1 else "websocket.disconnect", "code": 1000}
        if not pending:
            return {"type": "http.disconnect"}
        body = pending.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pending)}

    async def send(message: dict[str, Any]) -> None:
        answer.messages.append(message)

    scope = {
        "type": kind,
        "http_version": http_version,
        "path": path,
        "query_string": b"",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": client,
        "root_path": "",
    }
    if kind == "http":
        scope["method"] = method
    await app(scope, receive, send)
    return answer


@pytest.fixture(scope="session")
def call() -> Any:
    """`await call(app, path, headers=…, chunks=…)` → Answer."""
    return _call


class MovableTime:
    """A clock for arguments called `clock`: call it for the time, `advance` moves it."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> MovableTime:
    return MovableTime()


@pytest.fixture(scope="session")
def reply() -> Any:
    """An application that answers with a status and headers."""

    def make(status: int = 200, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"ok") -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": status, "headers": list(headers)})
            await send({"type": "http.response.body", "body": body})

        return app

    return make


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL for the whole run."""
    with shared_postgres(tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="module")
async def postgres_url(postgres: EmbeddedPostgres) -> str:
    """A database of the file's own, as SQLAlchemy wants it, for asyncpg."""
    return (await create_database(postgres.url)).replace("postgresql://", "postgresql+asyncpg://", 1)
