"""Real parts: PostgreSQL, an SMTP server process, SES's protocol spoken by a server process."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from services.clocks import StillClock
from services.databases import create_database
from services.ports import free_port

from identry.core.clock import MovableClock
from identry.core.db import Database
from identry.core.embedded import EmbeddedPostgres
from identry.core.mail import Outbox, Renderer, Sender, Transport
from identry.core.mail.outbox import instant
from identry.core.mail.smtp import SMTPTransport
from identry.core.secrets import Sealer

HERE = Path(__file__).parent
SEAL_KEY = b"k" * 32


@pytest.fixture(scope="session")
async def schema(postgres: EmbeddedPostgres) -> str:
    """A database with the outbox alone."""
    table = (files("identry") / "migrations" / "000003_mail_outbox.up.sql").read_text()
    return await create_database(postgres.url, table)


@pytest.fixture
async def db(schema: str) -> AsyncIterator[Database]:
    database = await Database.connect(schema, min_size=1, max_size=4, patience=30)
    await database.execute("TRUNCATE mail_outbox")
    yield database
    await database.close()


@pytest.fixture
def clock() -> MovableClock:
    return StillClock()


@pytest.fixture
def outbox(clock: MovableClock) -> Outbox:
    return Outbox(Sealer(SEAL_KEY, "test"), clock)


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    return Renderer(frontend_url="https://app.example.com", app_name="Kisum Auth")


@pytest.fixture
def reset_context(clock: MovableClock) -> dict[str, str]:
    return {
        "full_name": "Ada Lovelace",
        "token": secrets.token_urlsafe(32),
        "expires_at": instant(clock.now() + timedelta(hours=1)),
    }


class Inbox:
    """What the SMTP server took, in order."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url = f"smtp://127.0.0.1:{port}"
        self._folder = folder

    @property
    def messages(self) -> list[dict]:
        return [json.loads(path.read_text()) for path in sorted(self._folder.glob("*.json"))]

    def to(self, address: str) -> list[dict]:
        return [message for message in self.messages if message["to"] == [address]]


@pytest.fixture(scope="session")
def smtp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbox]:
    folder = tmp_path_factory.mktemp("smtp")
    with subprocess.Popen(
        [sys.executable, str(HERE / "smtp_server.py"), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield Inbox(int(process.stdout.readline()), folder)
        process.kill()


@pytest.fixture
def address() -> Callable[[str], str]:
    """A recipient that no other test uses; the prefix chooses the SMTP server's behaviour."""
    return lambda behaviour: f"{behaviour}-{secrets.token_hex(4)}@example.org"


@pytest.fixture
async def sender_of(
    db: Database, outbox: Outbox, renderer: Renderer, clock: MovableClock
) -> AsyncIterator[Callable[..., Sender]]:
    """Makes senders over a transport; stops them afterwards."""
    made: list[Sender] = []

    def make(transport: Transport, *, over: Database = db, mails: Renderer = renderer, **options: float) -> Sender:
        sender = Sender(
            over,
            transport,
            outbox=outbox,
            renderer=mails,
            clock=clock,
            email_from="no-reply@example.com",
            app_name="Kisum Auth",
            **options,
        )
        made.append(sender)
        return sender

    yield make
    for sender in made:
        await sender.stop(grace=0)


@pytest.fixture
def sender(sender_of: Callable[..., Sender], smtp: Inbox) -> Sender:
    return sender_of(SMTPTransport(smtp.url, timeout=30.0))


@pytest.fixture(scope="session")
def ses_endpoint() -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        for _ in range(300):
            try:
                urlopen(f"{url}/moto-api/", timeout=5).close()
                break
            except (URLError, ConnectionError):
                assert process.poll() is None, "the SES server ended at once"
                time.sleep(0.1)
        yield url
        process.kill()
