"""Applications hear that a grant has ended (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from harness import Harness
from provider.applications import App, claims_of
from provider.authorization import ISSUER, web_client
from provider.browsers import Browser
from provider.redemption import tokens

from identry.app.backchannel import backchannel_logout
from identry.flows.backchannel_logout.service import FIRST_RETRY, MOST_ATTEMPTS
from identry.records import sessions


@dataclass
class Application:
    """An application that listens for logout tokens.

    Attributes:
        url: where.
        statuses: what it answers, one after the other; then 200.
        heard: the logout tokens that it got.
    """

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One exchange."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:"))
        body = (await reader.readexactly(length)).decode()
        assert "content-type: application/x-www-form-urlencoded" in head
        self.heard += parse_qs(body)["logout_token"]
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def hears(self, count: int) -> None:
        """Wait until it heard that many tokens; the task of the shared application tells as well."""
        async with asyncio.timeout(30):
            while len(self.heard) < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(host: str = "127.0.0.1", *statuses: int) -> AsyncIterator[Application]:
    """An application on a port of this machine."""
    made = Application(statuses=list(statuses))
    server = await asyncio.start_server(made.serve, host, 0)
    port = server.sockets[0].getsockname()[1]
    made.url = f"http://[{host}]:{port}/logout" if ":" in host else f"http://{host}:{port}/logout"
    async with server:
        yield made


async def ended(app: Harness, url: str) -> tuple[App, str]:
    """A client at that address, and the ID token of a grant of it that has just ended."""
    client = await web_client(app, backchannel_logout_uri=url)
    browser = await Browser(app).sign_in(await app.make_user())
    id_token = (await tokens(app, browser, client)).id_token
    async with app.db.transaction() as tx:
        await sessions.end(tx, browser.session_id, "logout", app.clock.now())
    return client, id_token


async def tell(app: Harness) -> None:
    """Do what the background task does, without waiting for it."""
    engines = app.app.engines
    assert engines.provider is not None
    telling = backchannel_logout(app.app.settings, engines, engines.provider)
    while await telling.tell_due():
        pass
    await telling.stop()


async def left(app: Harness, client: App) -> list[Any]:
    """What this client has not heard yet."""
    return await app.db.fetch("SELECT * FROM logout_notices WHERE client_id = $1", client.client.id)


async def settled(app: Harness, client: App, pause: timedelta) -> None:
    """Wait until whoever told this client has noted what it answered: to be told again after a pause, or never."""
    async with asyncio.timeout(30):
        while any(row["next_attempt_at"] > app.clock.now() + pause for row in await left(app, client)):
            await asyncio.sleep(0.01)


async def test_an_application_hears_which_session_of_whom_has_ended(app: Harness) -> None:
    async with listening() as listener:
        client, id_token = await ended(app, listener.url)
        await tell(app)
        await listener.hears(1)
        [token] = listener.heard
    known = claims_of(id_token)
    header, claims = header_of(token), claims_of(token)
    signing_input, _, signature = token.rpartition(".")
    key = app.app.engines.ring.jwks().verifying[header["kid"]]
    assert key.verify(base64.urlsafe_b64decode(signature + "=="), signing_input.encode())
    assert set(claims) == {"iss", "aud", "sub", "sid", "jti", "iat", "exp", "events"}
    assert (claims["iss"], claims["aud"]) == (ISSUER, [client.client.client_id])
    assert (claims["sub"], claims["sid"]) == (known["sub"], known["sid"])
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert claims["exp"] - claims["iat"] == 120
    assert header["typ"] == "logout+jwt"
    reply = await app.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code == 401, "it opens nothing"


def header_of(token: str) -> dict[str, Any]:
    """The header of a token."""
    return claims_of(f"x.{token.partition('.')[0]}.x")


async def test_who_does_not_hear_is_told_again_later_and_forgotten_when_heard(app: Harness) -> None:
    async with listening("127.0.0.1", 500, 400) as listener:
        client, _ = await ended(app, listener.url)
        for count in (1, 2, 3):
            await tell(app)
            await listener.hears(count)
            await settled(app, client, FIRST_RETRY * 2 ** (count - 1))
            await tell(app)
            assert len(listener.heard) == count, "not before its time"
            app.clock.advance(FIRST_RETRY * 2**count)
        async with asyncio.timeout(30):
            while await left(app, client):
                await asyncio.sleep(0.01)


async def test_who_never_hears_is_given_up(app: Harness) -> None:
    client, _ = await ended(app, "https://192.0.2.1/logout")
    await app.db.execute(
        "UPDATE logout_notices SET attempts = $2 WHERE client_id = $1", client.client.id, MOST_ATTEMPTS - 1
    )
    app.clock.advance(timedelta(hours=1))
    await tell(app)
    async with asyncio.timeout(30):
        while await left(app, client):
            await asyncio.sleep(0.01)


async def test_no_address_of_a_network_that_is_not_listed_is_asked(app: Harness) -> None:
    async with listening("::1") as listener:
        client, _ = await ended(app, listener.url)
        await tell(app)
        assert len(await left(app, client)) == 1
        assert listener.heard == []


async def test_a_client_that_wants_to_hear_no_more_is_not_told(app: Harness) -> None:
    async with listening() as listener:
        client, _ = await ended(app, "https://192.0.2.1/logout")
        await app.db.execute("UPDATE clients SET backchannel_logout_uri = NULL WHERE id = $1", client.client.id)
        app.clock.advance(timedelta(hours=1))
        await tell(app)
        assert listener.heard == []
        async with asyncio.timeout(30):
            while await left(app, client):
                await asyncio.sleep(0.01)
