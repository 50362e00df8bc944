"""The kit against the server, over HTTP: what one signs the other verifies, what one ends the other refuses.

A service that must know at once that a session has ended asks the server itself: `GET /auth/me` with the caller's own
token is the introspection of this surface. `StillSignedIn` below is the whole of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from harness import Harness, Person, Servers, running
from second_factor import secured, ticket_for, verify
from services.databases import migrated_database
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from identry_kit import context
from identry_kit.apierror import ServiceUnavailable, exception_handlers
from identry_kit.httpware import standard_stack
from identry_kit.jwtauth import Claims, InvalidToken, JWKSCache, JWTAuth, KeysUnavailable, Verifier, caller_of

HOUR = timedelta(hours=1)
Services = Callable[..., Awaitable["Service"]]


class StillSignedIn:
    """A revocation hook: the server says whether the session behind a token is still alive."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx2.AsyncClient(base_url=base_url, timeout=30)

    async def __call__(self, token: str, _claims: Claims) -> None:
        try:
            reply = await self.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        except httpx2.TransportError as error:
            raise ServiceUnavailable from error  # nobody can tell: 503, not 401
        if reply.status_code >= 500:
            raise ServiceUnavailable
        if reply.status_code != 200:
            raise PermissionError


class Service:
    """A service on the kit: one route behind the full stack, its keys from the server's JWKS."""

    def __init__(self, app: Harness, *, hook: StillSignedIn | None = None, **options: Any) -> None:
        settings = app.app.settings
        self.keys = JWKSCache(f"{app.base_url}/.well-known/jwks.json", clock=app.clock.timestamp)
        self.verifier = Verifier(
            self.keys,
            **{"issuer": settings.jwt_issuer, "audience": settings.jwt_audience, **options},
            clock=app.clock.timestamp,
            revocation=hook,
        )
        routes = Starlette(routes=[Route("/whoami", _whoami)], exception_handlers=exception_handlers())
        served = standard_stack(JWTAuth(routes, self.verifier), sink=lambda _: None)
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(served), base_url="http://service")

    async def ask(self, token: str) -> httpx2.Response:
        return await self.http.get("/whoami", headers={"Authorization": f"Bearer {token}"})

    async def refuses(self, token: str) -> str:
        """The reason for which the verifier refuses a token; the service answers it with 401."""
        with pytest.raises(InvalidToken) as refusal:
            await self.verifier.verify(token)
        reply = await self.ask(token)
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        return refusal.value.reason


async def _whoami(_request: Request) -> JSONResponse:
    return JSONResponse({"id": str(context.user_id()), "role": context.user_role(), "plan": context.user_plan()})


@asynccontextmanager
async def _serving(app: Harness, **options: Any) -> AsyncIterator[Service]:
    service = Service(app, **options)
    try:
        yield service
    finally:
        await service.http.aclose()
        await service.keys.aclose()
        if (hook := options.get("hook")) is not None:
            await hook.http.aclose()


@pytest.fixture
async def service() -> AsyncIterator[Services]:
    """`await service(app, hook=…, issuer=…, audience=…)`."""
    async with AsyncExitStack() as stack:

        async def make(app: Harness, **options: Any) -> Service:
            return await stack.enter_async_context(_serving(app, **options))

        yield make


@pytest.fixture
async def alone(servers: Servers) -> AsyncIterator[Harness]:
    """A server with a database of its own, whose keys a test may change."""
    url = await migrated_database(servers.postgres_url)
    async with running(Servers(postgres_url=url, redis_url=""), redis=False) as app:
        yield app


async def test_who_logs_in_there_is_known_here(app: Harness, service: Services) -> None:
    person = await app.signed_in(global_role="PLATFORM_ADMIN")
    here = await service(app)
    reply = await here.ask(person.access_token)
    assert reply.status_code == 200
    assert reply.json() == {"id": str(person.id), "role": "PLATFORM_ADMIN", "plan": "freemium"}
    assert (await here.http.get("/whoami")).headers["www-authenticate"] == "Bearer"


async def test_every_claim_is_read_as_the_contract_names_it(app: Harness, service: Services) -> None:
    person = await app.signed_in()
    claims = await (await service(app)).verifier.verify(person.access_token)
    settings = app.app.settings
    assert set(claims) == {
        *("iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "type"),
        *("globalRole", "tokenVersion", "accountType", "amr", "auth_time"),
    }
    assert (claims.iss, claims.aud) == (settings.jwt_issuer, (settings.jwt_audience,))
    assert (claims.sub, claims.sid, claims.kid) == (str(person.id), person.session_id, settings.jwt_kid)
    assert claims.exp - claims.iat == settings.access_token_ttl.total_seconds()
    assert claims.nbf == claims.iat
    assert claims.auth_time == pytest.approx(app.clock.timestamp(), abs=60)
    assert (claims["type"], claims["accountType"], claims["globalRole"]) == ("access", "internal", "NONE")
    assert (claims.token_version, claims.amr) == (1, ("pwd",))

    caller = caller_of(claims, person.access_token)
    assert (caller.user_id, caller.sub, caller.role) == (person.id, str(person.id), "NONE")
    assert (caller.tenant_id, caller.email, caller.name) == (None, "", "")  # asked for, never carried: they change
    assert (caller.token_version, caller.amr, caller.audiences) == (1, ("pwd",), (settings.jwt_audience,))


async def test_a_second_factor_there_is_seen_here_and_its_ticket_is_no_token(app: Harness, service: Services) -> None:
    here, who = await service(app), await secured(app)
    ticket = await ticket_for(app, who.person)
    await here.refuses(ticket)
    reply = await verify(app, ticket, who.code(app))
    assert reply.status_code == 200, reply.text
    claims = await here.verifier.verify(reply.json()["data"]["accessToken"])
    assert claims.amr == ("pwd", "otp", "mfa")


async def test_a_refreshed_token_is_another_of_the_same_session(app: Harness, service: Services) -> None:
    here, person = await service(app), await app.signed_in()
    before = await here.verifier.verify(person.access_token)
    await here.refuses(person.refresh_token)
    reply = await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
    after = await here.verifier.verify(reply.json()["data"]["accessToken"])
    assert (after.sub, after.sid) == (before.sub, before.sid)
    assert after.jti != before.jti


async def test_what_is_logged_out_there_is_refused_here_by_the_hook_and_only_by_it(
    app: Harness, service: Services
) -> None:
    person, other = await app.signed_in(), await app.signed_in()
    asking, trusting = await service(app, hook=StillSignedIn(app.base_url)), await service(app)
    assert (await asking.ask(person.access_token)).status_code == 200
    assert (await app.http.post("/auth/logout", json={"refreshToken": person.refresh_token})).status_code == 200
    assert await asking.refuses(person.access_token) == "revoked"
    assert (await asking.ask(person.access_token)).json()["error"]["message"] == "token revoked"
    assert (await asking.ask(other.access_token)).status_code == 200
    assert (await trusting.ask(person.access_token)).status_code == 200  # until it expires, as any verifier by JWKS


async def test_who_is_deactivated_or_changes_version_there_is_refused_here(app: Harness, service: Services) -> None:
    here = await service(app, hook=StillSignedIn(app.base_url))
    for change in ("is_active = false", "token_version = token_version + 1"):
        person = await app.signed_in()
        assert (await here.ask(person.access_token)).status_code == 200
        await app.db.execute(f"UPDATE users SET {change} WHERE id = $1", person.id)
        assert await here.refuses(person.access_token) == "revoked"


async def test_a_server_that_cannot_be_asked_is_a_503_and_no_verdict(app: Harness, service: Services) -> None:
    hook, person = StillSignedIn("http://127.0.0.1:9"), await app.signed_in()
    reply = await (await service(app, hook=hook)).ask(person.access_token)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "service_unavailable")


async def test_tokens_end_here_when_they_end_there(app: Harness, service: Services) -> None:
    here, person = await service(app, leeway=30), await app.signed_in()
    await here.verifier.verify(person.access_token)
    app.clock.advance(app.app.settings.access_token_ttl + timedelta(seconds=31))
    await here.keys.refresh()
    assert await here.refuses(person.access_token) == "expired"
    assert (await app.http.get("/auth/me", headers=person.bearer)).status_code == 401


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"issuer": "https://another.example.com"}, "issuer"),
        ({"issuer": "AUTH.primuse.dev"}, "issuer"),  # compared as it is written
        ({"audience": "another"}, "audience"),
        ({"audience": ["another", "and another"]}, "audience"),
        ({"audience": []}, "audience"),
        ({"token_type": "at+jwt"}, "type"),
        (
            {"required": ["sub", "client_id"]},
            "client_id missing",
        ),  # what RFC 9068 §2.2 asks for and this surface has not
        ({"algorithms": ["ES256"]}, "alg"),
    ],
    ids=str,
)
async def test_what_was_made_for_somebody_else_is_refused(
    app: Harness, service: Services, wrong: dict[str, Any], reason: str
) -> None:
    person = await app.signed_in()
    assert await (await service(app, **wrong)).refuses(person.access_token) == reason


async def test_a_rotation_there_fails_no_token_here(alone: Harness, service: Services) -> None:
    """Published first, signed with later: this service learns of the key when it first sees it, by one fetch."""
    here, engines = await service(alone), alone.app.engines
    before = await alone.signed_in()
    await here.verifier.verify(before.access_token)
    new = await engines.keys.rotate()
    await engines.ring.load()
    waiting = await alone.signed_in()
    assert (await here.verifier.verify(waiting.access_token)).kid == alone.app.settings.jwt_kid

    alone.clock.advance(timedelta(minutes=7))
    after = await alone.signed_in()
    found = await asyncio.gather(*(here.verifier.verify(after.access_token) for _ in range(50)))
    assert {claims.kid for claims in found} == {new.kid}
    assert here.keys.fetches == 2
    for person in (before, waiting, after):
        assert (await here.ask(person.access_token)).status_code == 200


async def test_a_rotation_in_a_hurry_is_known_after_the_pause_between_fetches(
    alone: Harness, service: Services
) -> None:
    here, engines = await service(alone), alone.app.engines
    old = await alone.signed_in()
    await here.verifier.verify(old.access_token)
    new = await engines.keys.rotate(now=True)
    await engines.ring.load()
    person = await alone.signed_in()
    alone.clock.advance(16)
    assert (await here.verifier.verify(person.access_token)).kid == new.kid
    assert (await here.ask(old.access_token)).status_code == 200


async def test_a_key_withdrawn_there_is_dead_here_after_the_hour_for_which_keys_are_kept(
    alone: Harness, service: Services
) -> None:
    here, asking = await service(alone), await service(alone, hook=StillSignedIn(alone.base_url))
    engines, person = alone.app.engines, await alone.signed_in()
    for one in (here, asking):
        await one.verifier.verify(person.access_token)
    await engines.keys.retire(alone.app.settings.jwt_kid, now=True)
    await engines.ring.load()

    assert (await alone.http.get("/auth/me", headers=person.bearer)).status_code == 401
    assert await asking.refuses(person.access_token) == "revoked"  # who asks knows at once
    assert (await here.ask(person.access_token)).status_code == 200
    alone.clock.advance(HOUR + timedelta(seconds=1))
    await here.verifier.verify(person.access_token)  # the last one: it caused the fetch, and did not wait for it
    await here.keys.refresh()
    assert await here.refuses(person.access_token) == "unknown key"
    assert (await here.ask((await alone.signed_in()).access_token)).status_code == 200


async def test_without_any_keys_yet_it_is_a_503(app: Harness) -> None:
    person = await app.signed_in()
    keys = JWKSCache("http://127.0.0.1:9/.well-known/jwks.json")
    with pytest.raises(KeysUnavailable):
        await Verifier(keys, issuer="x", audience="y").verify(person.access_token)
    await keys.aclose()


async def test_companies_are_asked_for_with_the_callers_own_token(app: Harness, service: Services) -> None:
    """No tenant is in a platform token: a service forwards the token and says which company it means."""
    person: Person = await app.signed_in()
    company = uuid4()
    await app.join(person, company, "OWNER")
    claims = await (await service(app)).verifier.verify(person.access_token)
    raw = caller_of(claims, person.access_token).raw_token
    headers = {"Authorization": f"Bearer {raw}", "x-org": str(company)}
    assert (await app.http.get("/auth/me/access", headers=headers)).json()["data"]["companyId"] == str(company)
