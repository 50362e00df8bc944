"""An identity server on its bad days: what each fault becomes, what is tried again, and that nothing secret shows."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import pickle
import socket
import threading
import traceback
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from services.ports import free_port
from standin.provider import APP_ID, CLIENT_SECRET, Provider

from identry_kit.client import (
    ClientClosed,
    ClientError,
    ConnectionLost,
    DeadlineExceeded,
    InvalidAnswer,
    MagicLinkRateLimited,
    OAuthError,
    PolicyUnavailable,
    UnexpectedStatus,
    Unreachable,
)

OK_USER = b'{"id":5,"email":"five@example.com","created_at":"2026-01-02T03:04:05Z"}'


async def failed(call: Callable[[], Any]) -> ClientError | None:
    try:
        await call()
    except ClientError as error:
        return error
    return None


class TestWhatAFaultBecomes:
    @pytest.mark.parametrize(
        ("recipe", "error"),
        [
            ("500 oops", UnexpectedStatus),
            ("404 404 page not found", UnexpectedStatus),
            ("429 {}", UnexpectedStatus),
            ("redirect", UnexpectedStatus),
            ("204 ", UnexpectedStatus),
            ("cut", ConnectionLost),
            ("cut in the middle", ConnectionLost),
            ("html", InvalidAnswer),
            ("huge, declared", InvalidAnswer),
            ("huge, chunked", InvalidAnswer),
            ("compressed", InvalidAnswer),
            ("200 ", InvalidAnswer),
            ("200 [1]", InvalidAnswer),
            ("200 null", InvalidAnswer),
            ('200 {"id": NaN}', InvalidAnswer),
            ('200 {"id": -1}', InvalidAnswer),
            ('200 {"id": true}', InvalidAnswer),
            ('200 {"id": 18446744073709551616}', InvalidAnswer),
            ('200 {"id": "01890000-0000-7000-8000-000000000000"}', InvalidAnswer),
            ('200 {"id": 1, "email": "", "created_at": "2026-01-02T03:04:05Z"}', InvalidAnswer),
            ('200 {"id": 1, "email": "a@b.c", "created_at": "yesterday"}', InvalidAnswer),
            ('200 {"id": 1, "email": "a@b.c", "created_at": "2026-01-02T03:04:05"}', InvalidAnswer),
            ('200 {"id": 1, "email": "a@b.c", "created_at": 0}', InvalidAnswer),
            ('200 {"id": 1, "email": "a@b.c", "created_at": "2026-01-02T03:04:05Z", "locked": 1}', InvalidAnswer),
            ("200 " + "[" * 100_000, InvalidAnswer),
            ("200 " + "9" * 10_000, InvalidAnswer),
        ],
    )
    async def test_each_is_one_error_and_the_next_call_is_fine(
        self, client: Any, provider: Provider, recipe: str, error: type[ClientError]
    ) -> None:
        await client.get_user_as_service(1)
        provider.fail(recipe)
        with pytest.raises(ClientError) as caught:
            await client.get_user_as_service(1)
        assert type(caught.value) is error
        assert len(str(caught.value)) < 300
        assert str(caught.value).startswith("get user as service: ")
        assert (await client.get_user_as_service(1)).id == 1

    async def test_a_server_that_hangs_is_left_at_the_deadline(
        self, make: Callable[..., Any], provider: Provider
    ) -> None:
        client = make(timeout=0.5, retries=2)
        while not provider.seen_at("/service/users/2"):  # it has a token now, however slow the machine is
            with contextlib.suppress(DeadlineExceeded):
                await client.get_user_as_service(2)
        provider.fail("hang", path="/service/users/1")
        with pytest.raises(DeadlineExceeded):
            await client.get_user_as_service(1)
        assert len(provider.seen_at("/service/users/1")) == 1

    async def test_so_is_one_that_keeps_trickling(self, make: Callable[..., Any], provider: Provider) -> None:
        client = make(timeout=0.2)
        provider.fail("trickle", path="/service/users/1")
        with pytest.raises(DeadlineExceeded):
            await client.get_user_as_service(1)

    async def test_a_hanging_token_endpoint_counts_too(self, make: Callable[..., Any], provider: Provider) -> None:
        client = make(timeout=0.2)
        provider.fail("hang", path="/oauth/token")
        with pytest.raises(DeadlineExceeded):
            await client.get_user_as_service(1)
        provider.release()
        for _ in range(100):  # each try has the time of one call
            with contextlib.suppress(DeadlineExceeded):
                assert await client.get_user_as_service(1)
                break
        else:
            pytest.fail("a token endpoint that is back is not asked")

    async def test_ten_mebibytes_exactly_are_read(self, client: Any, provider: Provider) -> None:
        provider.fail("200 " + OK_USER.decode() + " " * (10 * 1024 * 1024 - len(OK_USER)), path="/service/users/5")
        assert (await client.get_user_as_service(5)).email == "five@example.com"

    async def test_a_redirect_is_not_followed(self, client: Any, provider: Provider) -> None:
        await client.get_user_as_service(1)
        provider.fail("redirect")
        with pytest.raises(UnexpectedStatus) as caught:
            await client.get_user_as_service(1)
        assert (caught.value.status, caught.value.body) == (307, "")
        assert not provider.seen_at("/stolen")

    async def test_a_missing_route_is_not_a_missing_user(self, client: Any, provider: Provider) -> None:
        provider.fail("404 404 page not found", path="/service/users/1")
        with pytest.raises(UnexpectedStatus) as caught:
            await client.get_user_as_service(1)
        assert (caught.value.status, caught.value.body) == (404, "404 page not found")

    async def test_a_policy_that_is_down_tells_its_mode_as_far_as_it_is_told(
        self, client: Any, provider: Provider
    ) -> None:
        provider.policy = False
        with pytest.raises(PolicyUnavailable) as caught:
            await client.decide("reports.read")
        assert caught.value.mode == "enforce"
        provider.fail("503 <html>", path="/decide")
        with pytest.raises(PolicyUnavailable) as caught:
            await client.decide("reports.read")
        assert caught.value.mode == ""

    async def test_a_token_endpoint_that_fails_otherwise_is_no_fatal_oauth_error(
        self, client: Any, provider: Provider
    ) -> None:
        for recipe, code in (("503 down", ""), ('400 {"error":"temporarily_unavailable"}', "temporarily_unavailable")):
            provider.fail(recipe)
            with pytest.raises(OAuthError) as caught:
                await client.refresh_token("a-refresh-token")
            assert (caught.value.code, caught.value.is_fatal) == (code, False)
            assert caught.value.description == ""

    async def test_the_limit_of_magic_links_tells_when_to_come_back(self, client: Any, provider: Provider) -> None:
        provider.fail("429 {}", path="/magic-link", Retry_After="120")
        with pytest.raises(MagicLinkRateLimited) as caught:
            await client.send_magic_link("a@example.com")
        assert caught.value.retry_after == 120


class TestRetries:
    @pytest.mark.parametrize("recipe", ["429 {}", "502 ", "503 ", "504 ", "cut", "cut in the middle"])
    async def test_a_reading_is_tried_again_after_growing_pauses(
        self, make: Callable[..., Any], provider: Provider, naps: Any, recipe: str
    ) -> None:
        client = make(retries=2)
        provider.fail(recipe, times=2, path="/service/users/1")
        assert (await client.get_user_as_service(1)).id == 1
        assert 0.05 <= naps.taken[0] <= 0.1 <= naps.taken[1] <= 0.2
        assert len(provider.seen_at("/service/users/1")) == 3

    async def test_it_gives_up_with_the_last_answer(self, make: Callable[..., Any], provider: Provider) -> None:
        provider.fail("503 {}", times=3, path="/service/users/1")
        with pytest.raises(UnexpectedStatus, match="503"):
            await make(retries=2).get_user_as_service(1)
        assert len(provider.seen_at("/service/users/1")) == 3
        assert not provider.plan

    @pytest.mark.parametrize("recipe", ["500 ", "501 ", "400 {}", "403 {}", "html", "huge, declared"])
    async def test_what_will_not_pass_is_not_tried_again(
        self, make: Callable[..., Any], provider: Provider, recipe: str
    ) -> None:
        provider.fail(recipe, path="/service/users/1")
        with pytest.raises(ClientError):
            await make(retries=5).get_user_as_service(1)
        assert len(provider.seen_at("/service/users/1")) == 1

    @pytest.mark.parametrize("recipe", ["429 {}", "502 ", "503 ", "504 ", "cut", "cut in the middle"])
    async def test_what_may_have_been_done_is_never_done_twice(
        self, make: Callable[..., Any], provider: Provider, recipe: str
    ) -> None:
        client = make(retries=5)
        provider.fail(recipe, path="/service/users")
        with pytest.raises(ClientError):
            await client.register_user("once@example.com", "user")
        assert len(provider.seen_at("/service/users")) == 1
        mine = client.with_jwt(provider.user_token())
        for call in (mine.update_user_role(1, "admin"), mine.delete_user(1)):
            provider.fail(recipe, path="/users/1")
            with pytest.raises(ClientError):
                await call
        assert len(provider.seen_at("/users/1")) == 2

    async def test_a_connection_that_was_never_made_is_tried_again_for_every_method(
        self, make: Callable[..., Any], naps: Any, provider: Provider
    ) -> None:
        client = make(retries=2, base_url=f"http://127.0.0.1:{free_port()}")
        with pytest.raises(Unreachable):
            await client.signup("Fay", "fay@example.com", "correct horse battery")
        assert len(naps.taken) == 2

    async def test_a_server_that_comes_up_meanwhile_is_found(
        self, make: Callable[..., Any], naps: Any, provider: Provider
    ) -> None:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        client = make(retries=1, base_url=f"http://127.0.0.1:{listening.getsockname()[1]}")

        def serve() -> None:
            accepted, _ = listening.accept()
            accepted.recv(65536)
            accepted.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 28\r\n\r\n{"user_id":5,"message":"ok"}')
            accepted.close()

        def come_up() -> None:
            listening.listen()
            threading.Thread(target=serve, daemon=True).start()

        naps.meanwhile = come_up
        assert (await client.signup("Fay", "fay@example.com", "correct horse battery")).user_id == 5
        listening.close()

    @pytest.mark.parametrize("when", ["7", "date"])
    async def test_retry_after_is_kept_to(
        self, make: Callable[..., Any], provider: Provider, naps: Any, clock: Any, when: str
    ) -> None:
        provider.fail(
            "503 ",
            path="/service/users/1",
            Retry_After=formatdate(clock() + 7, usegmt=True) if when == "date" else when,
        )
        assert await make(retries=1, clock=clock).get_user_as_service(1)
        assert 7 <= naps.taken[0] <= 7.1

    @pytest.mark.parametrize("when", ["3600", "9" * 400])
    async def test_a_retry_after_behind_the_deadline_is_told_at_once(
        self, make: Callable[..., Any], provider: Provider, naps: Any, when: str
    ) -> None:
        provider.fail("503 ", path="/service/users/1", Retry_After=when)
        with pytest.raises(UnexpectedStatus) as caught:
            await make(retries=1).get_user_as_service(1)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after >= 3600
        assert not naps.taken

    @pytest.mark.parametrize("when", ["soon", "-1", "1.5", "", "Mon, 99 Foo 2026 00:00:00 GMT"])
    async def test_an_unreadable_retry_after_is_no_retry_after(
        self, make: Callable[..., Any], provider: Provider, naps: Any, when: str
    ) -> None:
        provider.fail("503 ", path="/service/users/1", Retry_After=when)
        assert await make(retries=1).get_user_as_service(1)
        assert naps.taken[0] <= 0.1


class TestNothingSecretShows:
    FAULTS = ("500 ", "400 ", "401 ", "422 ", "503 ", "201 ", "204 ", "302 ")

    async def test_errors_and_logs_hold_no_token_and_no_secret(
        self, client: Any, provider: Provider, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The worst server: it sends back what it was sent. Every log is on."""
        caplog.set_level(logging.DEBUG)
        token = provider.user_token()
        mine = client.with_jwt(token)
        await client.get_user_as_service(1)
        service_token = provider.seen_at("/service/users/1")[0].bearer
        others = ["the-password-of-fay", "the-magic-token", "the-refresh-token", "the-code-123", "the-verifier-123"]
        secrets = [token, service_token, CLIENT_SECRET, *others]
        echo = " ".join(secrets)
        calls: list[Callable[[], Any]] = [
            lambda: mine.get_user(1),
            mine.get_profile,
            mine.logout,
            lambda: client.get_user_as_service(1),
            lambda: client.signup("Fay", "fay@example.com", "the-password-of-fay"),
            lambda: client.admin_login("fay@example.com", "the-password-of-fay"),
            lambda: client.verify_magic_link("the-magic-token"),
            lambda: client.refresh_token("the-refresh-token"),
            lambda: client.exchange_code("the-code-123", "http://localhost/", code_verifier="the-verifier-123"),
            lambda: client.introspect_token(token),
            lambda: client.revoke_token(token),
        ]
        own = [[token], [token], [token], [service_token], *([other] for other in others[:1] * 2 + others[1:3])]
        own += [others[3:], [token, CLIENT_SECRET], [token, CLIENT_SECRET]]
        failures = 0
        for call, sent in zip(calls, own, strict=True):
            for fault in (*self.FAULTS, "cut", "html", "200 "):
                body = " ".join(sent)
                provider.plan.clear()
                provider.fail(fault + body if fault[0].isdigit() else fault)
                provider.fail(fault + body if fault[0].isdigit() else fault)  # for the second try of a service call
                error = await failed(call)
                if error is None:
                    continue
                assert error.__context__ is None
                assert error.__cause__ is None
                told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
                assert not [secret for secret in sent if secret in told], fault
                failures += 1
        assert failures > 100
        provider.plan.clear()
        assert len(caplog.records) > 100
        assert not [secret for secret in echo.split() if secret in caplog.text]
        assert not [secret for secret in secrets if secret in f"{client!r} {mine!r} {getattr(mine, '_behalf', '')!r}"]

    @pytest.mark.parametrize("as_sent", ["pa%C3%9F+wort%2B1%26%22", 'pa\\u00df wort+1&\\"', 'paß wort+1&"'])
    async def test_nor_do_they_in_the_forms_that_they_were_sent_in(
        self, client: Any, provider: Provider, as_sent: str
    ) -> None:
        provider.fail(f"403 you sent {as_sent}!")
        with pytest.raises(UnexpectedStatus) as caught:
            await client.signup("Fay", "fay@example.com", 'paß wort+1&"')
        assert caught.value.body == "you sent [redacted]!"

    async def test_what_logs_in_is_not_in_the_repr_of_an_answer(self, client: Any, provider: Provider) -> None:
        made = await client.register_user("carl@example.com", "user")
        link = await client.send_magic_link("carl@example.com")
        login = await client.verify_magic_link(link.magic_url.split("token=")[1].split("&")[0])
        tokens = await client.exchange_code(provider.code(), "http://localhost/callback")
        signup = await client.signup("Fay", "fay@example.com", "correct horse battery")
        shown = repr((made, link, login, tokens, signup))
        hidden = [made.invite_token, link.magic_url, signup.verify_url]
        hidden += [
            getattr(answer, name)
            for answer in (login, tokens)
            for name in ("access_token", "refresh_token", "id_token")
        ]
        assert all(hidden)
        assert not [value for value in hidden if value in shown]

    async def test_a_servers_text_fits_one_line_of_a_log(self, client: Any, provider: Provider) -> None:
        text = "line\\nforged \\u001b[31m" + "x" * 5000
        provider.fail(f'403 {{"error":"{text}"}}', path="/service/users/1")
        with pytest.raises(UnexpectedStatus) as caught:
            await client.get_user_as_service(1)
        assert "\n" not in str(caught.value)
        assert "\x1b" not in str(caught.value)
        assert len(str(caught.value)) < 300
        assert len(caught.value.body) <= 2048

    async def test_an_error_can_be_pickled_and_copied(self, client: Any, provider: Provider) -> None:
        provider.fail('403 {"error":"no"}', path="/service/users/1", Retry_After="3")
        with pytest.raises(UnexpectedStatus) as caught:
            await client.get_user_as_service(1)
        samples = [
            caught.value, MagicLinkRateLimited(5.0), PolicyUnavailable("enforce"), OAuthError(400, "invalid_grant"),
            InvalidAnswer("op", "why"), ConnectionLost("op"),
        ]  # fmt: skip
        for error in samples:
            for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), error.again()):
                assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))


class TestClosing:
    async def test_a_closed_client_says_so(self, make: Callable[..., Any]) -> None:
        client = make(retries=3)
        await client.get_user_as_service(1)
        await client.aclose()
        for call in (client.get_user_as_service(1), client.introspect_token("x"), client.with_jwt("x").get_profile()):
            with pytest.raises(ClientClosed):
                await call

    async def test_a_client_never_used_can_be_closed_twice(self, make: Callable[..., Any]) -> None:
        client = make()
        await client.aclose()
        await client.aclose()
        with pytest.raises(ClientClosed):
            await client.get_user_as_service(1)

    async def test_closing_in_the_middle_ends_the_call(self, make: Callable[..., Any], provider: Provider) -> None:
        client = make()
        await client.get_user_as_service(1)
        provider.fail("hang", path=f"/api/apps/{APP_ID}/service/users/1")
        call = asyncio.create_task(client.get_user_as_service(1))
        while provider.plan:
            await asyncio.sleep(0.005)
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        provider.release()
        with pytest.raises(ClientError):
            await call
        await closing
