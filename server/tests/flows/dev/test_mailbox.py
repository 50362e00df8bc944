"""The development mailbox: a real outbox, the real router, no JavaScript, nothing that a mail can break out of."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest
from harness import Harness
from services.clocks import StillClock

from identry.core.clock import MovableClock
from identry.core.db import Database
from identry.core.embedded import EmbeddedPostgres
from identry.core.mail import MailboxTransport, NullTransport, Outbox, Renderer, Sender
from identry.core.mail.outbox import instant
from identry.core.origin import SYSTEM
from identry.core.secrets import Sealer
from identry.flows.dev.routes import operations
from identry.flows.dev.service import Mailbox, NoSuchMail
from identry.web.endpoint import Endpoint
from identry.web.router import Router

Get = Callable[[str], Awaitable[tuple[int, dict[str, str], str]]]


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("pg")) as postgres:
        yield postgres.url


@pytest.fixture(scope="module")
async def schema(postgres_url: str) -> str:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute((files("identry") / "migrations" / "000003_mail_outbox.up.sql").read_text())
    await connection.close()
    return postgres_url


@pytest.fixture
async def db(schema: str) -> AsyncIterator[Database]:
    database = await Database.connect(schema, min_size=1, max_size=2, patience=30)
    await database.execute("TRUNCATE mail_outbox")
    yield database
    await database.close()


@pytest.fixture
def clock() -> MovableClock:
    return StillClock()


@pytest.fixture
def outbox(clock: MovableClock) -> Outbox:
    return Outbox(Sealer(b"k" * 32, "test"), clock)


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    (tmp_path / "password_changed.txt").write_text("Subject: Mine\n\nHello {{ full_name }}\n")
    return tmp_path


@pytest.fixture
def renderer(templates: Path) -> Renderer:
    return Renderer(frontend_url="https://app.example.com", app_name="Kisum Auth", overrides=templates)


@pytest.fixture
def get(db: Database, outbox: Outbox, renderer: Renderer) -> Get:
    """GET a path of the room: (status, headers, text)."""
    router = Router(Endpoint(op, None, lambda _: SYSTEM) for op in operations(Mailbox(db, outbox, renderer)))

    async def call(path: str) -> tuple[int, dict[str, str], str]:
        sent: list[dict] = []

        async def receive() -> dict:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        await router(scope, receive, send)
        headers = {key.decode().lower(): value.decode() for key, value in sent[0]["headers"]}
        return sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:]).decode()

    return call


@pytest.fixture
def reset(db: Database, outbox: Outbox, clock: MovableClock) -> Callable[[str], Awaitable[str]]:
    """Queue a password reset for an address; returns the mail's id."""

    async def queue(to: str, name: str = "Ada") -> str:
        context = {"full_name": name, "token": "raw-token", "expires_at": instant(clock.now() + timedelta(hours=1))}
        return str(await outbox.enqueue(db, template="password_reset", to=to, context=context))

    return queue


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


async def test_the_json_lists_captured_mail_newest_first(get: Get, reset: Callable, clock: MovableClock) -> None:
    first = await reset("ada@example.org")
    clock.advance(5)
    second = await reset("bob@example.org")
    status, headers, body = await get("/dev/mail.json")
    mails = json.loads(body)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert [mail["id"] for mail in mails] == [second, first]
    assert set(mails[0]) == {"id", "created_at", "to", "subject", "template", "text", "html", "links"}
    assert (mails[0]["to"], mails[0]["template"]) == ("bob@example.org", "password_reset")
    assert mails[0]["links"] == ["https://app.example.com/reset-password?token=raw-token"]
    assert mails[0]["created_at"].endswith("Z")


async def test_mail_stays_readable_when_the_mailbox_transport_has_taken_it(
    get: Get, reset: Callable, db: Database, outbox: Outbox, renderer: Renderer, clock: MovableClock
) -> None:
    await reset("ada@example.org")
    options = {"outbox": outbox, "renderer": renderer, "clock": clock, "email_from": "", "app_name": "Kisum Auth"}
    await Sender(db, MailboxTransport(), **options).send_due()
    assert len(json.loads((await get("/dev/mail.json"))[2])) == 1
    await reset("bob@example.org")
    await Sender(db, NullTransport(), **options).send_due()
    assert [mail["to"] for mail in json.loads((await get("/dev/mail.json"))[2])] == ["ada@example.org"]


async def test_the_json_can_be_asked_for_one_address(app: Harness) -> None:
    people = [await app.make_user() for _ in range(2)]
    for person in people:
        assert (await app.http.post("/auth/password-reset/request", json={"email": person.email})).status_code == 200
    for person in people:
        assert [mail["to"] for mail in await app.mails(person.email)] == [person.email]
    assert await app.mails("nobody@example.org") == []


@pytest.mark.parametrize("to", ["%00", "a%00@example.org", "a" * 300], ids=["nul", "nul-inside", "long"])
async def test_what_is_no_address_is_a_400(app: Harness, to: str) -> None:
    reply = await app.http.get(f"/dev/mail.json?to={to}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "validation_error")


async def test_an_empty_mailbox_says_how_mail_gets_there(get: Get) -> None:
    assert json.loads((await get("/dev/mail.json"))[2]) == []
    status, headers, page = await get("/dev/mail")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "No mail yet" in page


async def test_the_page_needs_no_script_and_styles_only_by_its_nonce(get: Get, reset: Callable) -> None:
    mail_id = await reset("ada@example.org")
    for path in ("/dev/mail", f"/dev/mail/{mail_id}"):
        _, headers, page = await get(path)
        tags = Tags(page).found
        assert not [tag for tag, _ in tags if tag == "script"]
        assert not [attrs for _, attrs in tags for key in attrs if key == "style" or key.startswith("on")]
        (style,) = [attrs for tag, attrs in tags if tag == "style"]
        policy = headers["content-security-policy"]
        assert f"style-src 'nonce-{style['nonce']}'" in policy
        assert "default-src 'none'" in policy
        assert headers["cache-control"] == "no-store"
    assert (await get("/dev/mail"))[1]["content-security-policy"] != policy, "each answer has its own nonce"


async def test_an_opened_mail_shows_text_links_and_a_sandboxed_frame(get: Get, reset: Callable) -> None:
    mail_id = await reset("ada@example.org")
    _, _, page = await get(f"/dev/mail/{mail_id}")
    tags = Tags(page).found
    (frame,) = [attrs for tag, attrs in tags if tag == "iframe"]
    assert frame["src"] == f"/dev/mail/{mail_id}/html"
    assert frame["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert "Someone, probably you, asked to reset" in page
    assert "https://app.example.com/reset-password?token=raw-token" in [attrs.get("href") for _, attrs in tags]
    status, headers, html = await get(f"/dev/mail/{mail_id}/html")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "sandbox" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert '<base target="_blank">' in html


async def test_a_hostile_name_is_shown_and_does_nothing(get: Get, reset: Callable) -> None:
    mail_id = await reset('"><script>alert(1)</script>@example.org', "<img src=x onerror=alert(1)>")
    for path in ("/dev/mail", f"/dev/mail/{mail_id}", f"/dev/mail/{mail_id}/html"):
        _, _, page = await get(path)
        assert not [tag for tag, attrs in Tags(page).found if tag == "script" or "onerror" in attrs]


async def test_an_override_being_written_shows_its_error_where_the_mail_would_be(
    get: Get, db: Database, outbox: Outbox, templates: Path
) -> None:
    mail_id = await outbox.enqueue(db, template="password_changed", to="a@example.org", context={"full_name": "Ada"})
    assert "Hello Ada" in (await get(f"/dev/mail/{mail_id}"))[2]
    (templates / "password_changed.txt").write_text("Subject: x\n\n{{ nonsense }}\n")
    status, _, page = await get(f"/dev/mail/{mail_id}")
    assert status == 200
    assert "nonsense" in page
    assert "iframe" not in [tag for tag, _ in Tags(page).found]


@pytest.mark.parametrize("suffix", ["", "/html"])
async def test_an_unknown_mail_is_a_404(get: Get, suffix: str) -> None:
    with pytest.raises(NoSuchMail):
        await get(f"/dev/mail/01900000-0000-7000-8000-000000000000{suffix}")


async def test_the_room_is_left_out_of_the_reference(db: Database, outbox: Outbox, renderer: Renderer) -> None:
    rows = operations(Mailbox(db, outbox, renderer))
    assert all(row.hidden and row.method == "GET" for row in rows)
    assert not [row for row in rows if re.search(r"[A-Z]", row.path)]
