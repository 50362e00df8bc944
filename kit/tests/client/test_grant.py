"""The service token: fetched once for all who wait, kept, renewed in time, dropped when refused, not kept when bad."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rows import every
from standin.provider import Provider

from identry_kit import context
from identry_kit.client import (
    AppIdMissing,
    BlockingClient,
    CallerTokenMissing,
    Client,
    ClientClosed,
    ClientError,
    ClientSecretMissing,
    ConnectionLost,
    InvalidAnswer,
    OAuthError,
    UnexpectedStatus,
)
from identry_kit.client.grant import expiry

TOKEN, USER = "/oauth/token", "/service/users/1"


def exchanges(provider: Provider) -> int:
    return len(provider.seen_at(TOKEN))


@pytest.fixture
async def aclient(endpoint: Any, clock: Any, provider: Provider) -> AsyncIterator[Client]:
    provider.now = clock
    async with Client(**endpoint.settings(), clock=clock, retries=0) as client:
        yield client


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


class TestOneFetchForAll:
    @pytest.mark.parametrize("callers", [100, pytest.param(1000, marks=pytest.mark.slow)])
    async def test_many_callers_of_a_cold_client_cause_one(
        self, aclient: Client, provider: Provider, callers: int
    ) -> None:
        provider.fail("wait", path=TOKEN)
        calls = [asyncio.create_task(aclient.send_magic_link(f"u{number}@example.com")) for number in range(callers)]
        await until(lambda: exchanges(provider) == 1)
        provider.release()
        links = await asyncio.gather(*calls)
        assert {link.message for link in links} == {"If the address is known, a link was sent."}
        assert exchanges(provider) == 1
        assert len(provider.seen_at("/magic-link")) == callers

    async def test_a_waiter_that_is_cancelled_leaves_it_to_the_others(
        self, aclient: Client, provider: Provider
    ) -> None:
        provider.fail("wait", path=TOKEN)
        starter, other = (asyncio.create_task(aclient.get_user_as_service(1)) for _ in range(2))
        await until(lambda: exchanges(provider) == 1)
        starter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starter
        provider.release()
        assert (await other).id == 1  # type: ignore[union-attr]
        assert exchanges(provider) == 1

    async def test_it_is_finished_and_kept_even_when_everybody_left(self, aclient: Client, provider: Provider) -> None:
        provider.fail("wait", path=TOKEN)
        only = asyncio.create_task(aclient.get_user_as_service(1))
        await until(lambda: exchanges(provider) == 1)
        only.cancel()
        await asyncio.gather(only, return_exceptions=True)
        provider.release()
        assert await aclient.get_user_as_service(1)
        assert exchanges(provider) == 1

    async def test_one_that_fails_fails_everybody_who_waits_and_nobody_later(
        self, aclient: Client, provider: Provider
    ) -> None:
        provider.fail('wait, then 401 {"error":"invalid_client"}', path=TOKEN)
        calls = [asyncio.create_task(aclient.get_user_as_service(1)) for _ in range(50)]
        await until(lambda: exchanges(provider) == 1)
        provider.release()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in errors} == {OAuthError}
        assert len({id(error) for error in errors}) == 50, "each waiter has its own"
        assert exchanges(provider) == 1
        assert await aclient.get_user_as_service(1)
        assert exchanges(provider) == 2

    async def test_it_carries_nothing_of_the_caller_who_came_first(self, aclient: Client, provider: Provider) -> None:
        with context.use(context.Caller(raw_token="callers-token"), request_id="req-1"):
            await aclient.with_attribution(ip="192.0.2.7", user_agent="Firefox").get_user_as_service(1)
        (exchange,), (call,) = provider.seen_at(TOKEN), provider.seen_at(USER)
        assert "x-correlation-id" not in exchange.headers
        assert "authorization" not in exchange.headers
        assert "x-forwarded-for" not in exchange.headers
        assert exchange.headers["user-agent"] == b"identry-kit"
        assert call.headers["x-correlation-id"] == b"req-1"

    async def test_closing_tells_the_waiters_and_cancels_none_of_them(
        self, aclient: Client, provider: Provider
    ) -> None:
        provider.fail("hang", path=TOKEN)
        call = asyncio.create_task(aclient.get_user_as_service(1))
        await until(lambda: exchanges(provider) == 1)
        await aclient.aclose()
        with pytest.raises(ClientClosed):
            await call

    def test_fifty_threads_share_one_too(self, endpoint: Any, provider: Provider) -> None:
        provider.fail("wait", path=TOKEN)
        with BlockingClient(**endpoint.settings()) as client, ThreadPoolExecutor(50) as pool:
            ready = threading.Barrier(51)

            def call() -> Any:
                ready.wait()
                return client.get_user_as_service(1)

            calls = [pool.submit(call) for _ in range(50)]
            ready.wait()
            provider.release_when(lambda: exchanges(provider) == 1)
            assert {future.result().id for future in calls} == {1}
        assert exchanges(provider) == 1

    def test_threads_share_a_failure_as_well(self, endpoint: Any, provider: Provider) -> None:
        provider.fail('wait, then 401 {"error":"invalid_client"}', path=TOKEN)
        with BlockingClient(**endpoint.settings()) as client, ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(client.get_user_as_service, 1) for _ in range(8)]
            provider.release_when(lambda: exchanges(provider) == 1 and all(call.running() for call in calls))
            assert {type(call.exception()) for call in calls} == {OAuthError}
            assert exchanges(provider) == 1
            assert client.get_user_as_service(1)


class TestHowLongItIsKept:
    async def test_it_is_renewed_thirty_seconds_before_it_ends(
        self, aclient: Client, provider: Provider, clock: Any
    ) -> None:
        for seconds, fetched in ((0, 1), (869, 1), (1, 2), (869, 2), (5, 3)):
            clock.advance(seconds)
            await aclient.get_user_as_service(1)
            assert exchanges(provider) == fetched

    async def test_one_that_lives_shorter_than_that_is_used_once(self, aclient: Client, provider: Provider) -> None:
        provider.lifetime = 20
        for fetched in (1, 2, 3):
            await aclient.get_user_as_service(1)
            assert exchanges(provider) == fetched

    @every(
        ("claims", "expires_in", "expected"),
        [
            ({"exp": 1500}, 60, 1500),
            ({"exp": 1500.5}, 0, 1500.5),
            ({"exp": 999}, 60, 1060),
            ({"exp": 999}, 0, 1060),
            ({"exp": True}, 90, 1090),
            ({"exp": "1500"}, 90, 1090),
            ({"exp": None}, 90, 1090),
            ({}, 90, 1090),
            ([], 90, 1090),
            ("text", 90, 1090),
            (None, 0, 1060),
        ],
    )
    def test_its_own_claim_counts_then_expires_in_then_a_minute(
        self, claims: Any, expires_in: int, expected: float
    ) -> None:
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        assert expiry(f"e30.{payload}.sig", expires_in, 1000.0) == expected

    @every("token", ["opaque", "a.b", "a.b.c", "a..c", "a.!!!.c", "a.b.c.d", "a." + "W" * 4000 + ".c"])
    def test_an_opaque_one_has_no_claim(self, token: str) -> None:
        assert expiry(token, 90, 1000.0) == 1090

    @every("exp", ["1e999", "NaN", "[" * 5000, "9" * 5000])
    def test_nonsense_in_it_is_no_claim(self, exp: str) -> None:
        payload = base64.urlsafe_b64encode(f'{{"exp":{exp}}}'.encode()).decode().rstrip("=")
        assert expiry(f"e30.{payload}.sig", 90, 1000.0) == 1090

    @pytest.mark.parametrize(
        "body",
        [
            "{}",
            '{"access_token": ""}',
            '{"access_token": null}',
            '{"access_token": 5}',
            '{"access_token": "a b"}',
            '{"access_token": "a\\r\\nX-Evil: 1"}',
            '{"access_token": "\\u00e9"}',
            '{"access_token": "good", "expires_in": "60"}',
            '{"access_token": "good", "expires_in": -1}',
            '{"access_token": "' + "a" * 70_000 + '"}',
            "[]",
            "<html>",
        ],
    )
    async def test_an_answer_without_a_good_one_is_an_error_and_not_kept(
        self, aclient: Client, provider: Provider, body: str
    ) -> None:
        provider.fail("200 " + body, path=TOKEN)
        with pytest.raises(InvalidAnswer) as caught:
            await aclient.get_user_as_service(1)
        assert "Evil" not in str(caught.value)
        assert await aclient.get_user_as_service(1)

    async def test_a_cut_exchange_is_an_error_and_not_kept(self, aclient: Client, provider: Provider) -> None:
        provider.fail("cut", path=TOKEN)
        with pytest.raises(ConnectionLost):
            await aclient.get_user_as_service(1)
        assert await aclient.get_user_as_service(1)


class TestRefusedTokens:
    async def test_a_kept_one_that_is_refused_is_replaced_once_and_the_call_made_again(
        self, client: Any, provider: Provider
    ) -> None:
        await client.get_user_as_service(1)
        provider.tokens.clear()
        made = await client.register_user("once@example.com", "user")
        assert made.user_id
        assert exchanges(provider) == 2
        assert len(provider.seen_at("/service/users")) == 2

    async def test_twice_refused_is_an_error(self, client: Any, provider: Provider) -> None:
        await client.get_user_as_service(1)
        provider.fail('401 {"error":"no"}', times=2, path=USER)
        with pytest.raises(UnexpectedStatus, match="401"):
            await client.get_user_as_service(1)
        assert exchanges(provider) == 2
        assert len(provider.seen_at(USER)) == 3

    async def test_a_fresh_one_that_is_refused_is_an_error_at_once_and_dropped(
        self, client: Any, provider: Provider
    ) -> None:
        provider.fail('401 {"error":"no"}', path=USER)
        with pytest.raises(UnexpectedStatus, match="401"):
            await client.get_user_as_service(1)
        assert exchanges(provider) == 1
        assert await client.get_user_as_service(1)
        assert exchanges(provider) == 2

    async def test_calls_refused_together_fetch_one_new(self, aclient: Client, provider: Provider) -> None:
        await aclient.get_user_as_service(1)
        provider.tokens.clear()
        users = await asyncio.gather(*(aclient.get_user_as_service(1) for _ in range(30)))
        assert all(users)
        assert exchanges(provider) == 2

    async def test_a_callers_token_that_is_refused_is_the_callers_matter(self, client: Any, provider: Provider) -> None:
        with pytest.raises(UnexpectedStatus, match="401"):
            await client.with_jwt("expired").get_user(1)
        assert exchanges(provider) == 0


class TestBeforeAnyRequest:
    SERVICE = (
        ("register_user", ("a@example.com", "user")),
        ("invite_user_as_service", ("a@example.com", "user")),
        ("get_user_as_service", (1,)),
        ("send_magic_link", ("a@example.com",)),
        ("decide", ("a.b",)),
    )

    @pytest.mark.parametrize(("name", "arguments"), SERVICE)
    async def test_a_service_call_without_an_app_id_fails(
        self, make: Any, provider: Provider, name: str, arguments: tuple[Any, ...]
    ) -> None:
        client = make(app_id="").with_jwt(provider.user_token())
        await client.get_user(1)  # finds the number for the caller's calls, and for those only
        provider.seen.clear()
        with pytest.raises(AppIdMissing, match="app_id"):
            await getattr(client, name)(*arguments)
        assert not provider.seen

    async def test_a_call_in_the_applications_name_without_a_secret_fails(self, make: Any, provider: Provider) -> None:
        client = make(client_secret="")
        calls = [getattr(client, name)(*arguments) for name, arguments in self.SERVICE]
        for call in (*calls, client.revoke_token("x"), client.introspect_token("x")):
            with pytest.raises(ClientSecretMissing):
                await call
        assert not provider.seen

    async def test_a_call_in_the_callers_name_without_a_caller_fails(self, client: Any, provider: Provider) -> None:
        calls = (
            client.list_users(), client.get_user(1), client.create_user("a@b.c", "user"), client.delete_user(1),
            client.update_user_role(1, "user"), client.resend_verification(1), client.force_password_reset(1),
            client.get_current_user_profile(), client.get_profile(), client.logout(),
        )  # fmt: skip
        for call in calls:
            with pytest.raises(CallerTokenMissing, match="with_jwt"):
                await call
        assert not provider.seen

    @pytest.mark.parametrize("token", ["", " ", "two words", "a\r\nX-Evil: 1", "é", "a" * 70_000, "Bearer a"])
    async def test_what_is_no_bearer_token_is_not_forwarded(self, client: Any, provider: Provider, token: str) -> None:
        with pytest.raises(ValueError, match="bearer token") as caught:
            client.with_jwt(token)
        assert not token.strip() or token not in str(caught.value)
        if token:
            with context.use(context.Caller(raw_token=token)), pytest.raises(ValueError, match="bearer token"):
                await client.get_profile()
        assert not provider.seen

    async def test_an_application_that_the_caller_does_not_see_is_told(self, make: Any, provider: Provider) -> None:
        client = make(app_id="", client_id="unlisted").with_jwt(provider.user_token())
        with pytest.raises(AppIdMissing, match="client_id"):
            await client.list_users()
        assert len(provider.seen) == 1

    async def test_the_number_found_is_asked_for_once(self, make: Any, provider: Provider) -> None:
        client = make(app_id="").with_jwt(provider.user_token())
        for _ in range(3):
            await client.get_user(1)
        assert len(provider.seen_at("/api/admin/apps")) == 1

    async def test_all_of_these_are_client_errors(self) -> None:
        assert issubclass(AppIdMissing, ClientError)
        assert issubclass(CallerTokenMissing, ClientError)
        assert issubclass(ClientSecretMissing, ClientError)
