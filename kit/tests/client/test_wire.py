"""What goes over the wire: addresses and encoding, headers, whose browser it is, and what must never go."""

from __future__ import annotations

import contextlib
import json
import logging
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
from rows import every
from standin.provider import Provider

from identry_kit import context
from identry_kit.client import BlockingClient, Client, ClientError, Resource, Subject
from identry_kit.client.attribution import Attribution, canonical_ip, clean_user_agent


async def attempt(call: Any) -> None:
    with contextlib.suppress(ClientError):
        await call


class TestAddresses:
    @pytest.mark.parametrize(
        ("user_id", "path"),
        [
            (5, "5"),
            ("a/b", "a%2Fb"),
            ("../../admin/apps", "..%2F..%2Fadmin%2Fapps"),
            ("5?role=admin", "5%3Frole%3Dadmin"),
            ("5#x", "5%23x"),
            ("%2e%2e", "%252e%252e"),
            ("a b", "a%20b"),
            ("ä", "%C3%A4"),
            ("{app}", "%7Bapp%7D"),
            ("...", "..."),
        ],
    )
    async def test_an_id_stays_one_segment_of_the_path(
        self, admin: Any, client: Any, provider: Provider, user_id: int | str, path: str
    ) -> None:
        await attempt(admin.get_user(user_id))
        await attempt(admin.resend_verification(user_id))
        await attempt(client.get_user_as_service(user_id))
        assert [seen.path for seen in provider.seen if seen.port == "admin"] == [
            f"/api/apps/7/users/{path}",
            f"/api/apps/7/users/{path}/resend-verification",
            f"/api/apps/7/service/users/{path}",
        ]

    @pytest.mark.parametrize("user_id", ["", ".", ".."])
    async def test_an_id_that_would_name_something_else_is_refused(
        self, admin: Any, provider: Provider, user_id: str
    ) -> None:
        for call in (admin.get_user, admin.delete_user, admin.force_password_reset, admin.get_user_as_service):
            with pytest.raises(ValueError, match="id"):
                await call(user_id)
        assert not provider.seen

    @pytest.mark.parametrize("search", ["a&page=9", "a b+c", "ä=€", "x#y", "%41", '"><', "\ud800"])
    async def test_a_search_is_one_value_of_the_query(self, admin: Any, provider: Provider, search: str) -> None:
        await admin.list_users(search, 1, 2)
        query = parse_qs(provider.seen[-1].query, strict_parsing=True)
        assert query == {"page": ["1"], "page_size": ["2"], "search": [search.replace("\ud800", "?")]}

    async def test_without_a_search_there_is_none(self, admin: Any, provider: Provider) -> None:
        await admin.list_users()
        assert parse_qs(provider.seen[-1].query) == {"page": ["1"], "page_size": ["20"]}

    async def test_each_call_goes_to_its_port(self, client: Any, admin: Any, provider: Provider) -> None:
        for call in (admin.list_users(), client.decide("a.b"), client.admin_login("a@b.c", "x")):
            await attempt(call)
        for call in (admin.get_profile(), admin.logout(), client.signup("F", "f@b.c", "x"), client.refresh_token("x")):
            await attempt(call)
        ports = {seen.path: seen.port for seen in provider.seen}
        assert {path for path, port in ports.items() if port == "admin"} == {
            "/api/apps/7/users",
            "/api/apps/7/service/policy/decide",
            "/api/admin/login",
        }

    @every(
        ("base_url", "admin"),
        [
            ("https://auth.example.com", "https://auth.example.com:8081"),
            ("https://auth.example.com:9443/", "https://auth.example.com:8081"),
            ("http://127.0.0.1:3097", "http://127.0.0.1:8081"),
            ("http://[::1]:3097", "http://[::1]:8081"),
            ("https://auth.example.com/prefix/", "https://auth.example.com:8081"),
        ],
    )
    def test_the_admin_address_is_port_8081_beside_the_public_one(self, base_url: str, admin: str) -> None:
        config = Client(base_url, "c")._core.config
        assert (config.base_url, config.admin_base_url) == (base_url.rstrip("/"), admin)

    async def test_an_admin_address_may_have_a_path(self, make: Any, endpoint: Any, provider: Provider) -> None:
        client = make(admin_base_url=endpoint.admin_base_url + "/manage/").with_jwt(provider.user_token())
        await attempt(client.get_user(1))
        assert provider.seen[-1].path == "/manage/api/apps/7/users/1"

    @every("kind", [Client, BlockingClient])
    @every(
        "settings",
        [
            {"base_url": ""}, {"base_url": "auth.example.com"}, {"base_url": "ftp://auth.example.com"},
            {"base_url": "https://"}, {"base_url": "https://user:pass@auth.example.com"},
            {"base_url": "https://auth.example.com?x=1"}, {"base_url": "https://auth.example.com/#x"},
            {"base_url": "https://auth.example.com:notaport"}, {"base_url": "https://[::1"},
            {"base_url": "https://auth example.com"}, {"base_url": "https://auth.example.com/\r\nX-Evil: 1"},
            {"admin_base_url": "file:///etc/passwd"}, {"client_id": ""}, {"timeout": 0}, {"timeout": -1},
            {"retries": -1}, {"app_id": ".."},
        ],
    )  # fmt: skip
    def test_settings_that_can_never_work_are_refused(self, kind: Any, settings: dict[str, Any]) -> None:
        with pytest.raises(ValueError) as caught:  # noqa: PT011  (each has its own words)
            kind(**{"base_url": "https://auth.example.com", "client_id": "c", "client_secret": "s3cret", **settings})
        assert "s3cret" not in str(caught.value)
        assert "pass" not in str(caught.value).replace("pass Client", "")

    def test_plain_http_to_another_machine_is_warned_of(self, caplog: pytest.LogCaptureFixture) -> None:
        Client("http://127.0.0.1:3097", "c")
        Client("http://localhost:3097", "c")
        Client("https://auth.example.com", "c")
        assert not caplog.records
        Client("http://identry:3097", "c")
        assert {record.levelno for record in caplog.records} == {logging.WARNING}


class TestBodies:
    async def test_json_and_forms_are_what_the_server_reads(self, client: Any, admin: Any, provider: Provider) -> None:
        await attempt(admin.create_user("ä\ud800@example.com", "user", name="x\r\ny"))
        created = provider.seen[-1]
        assert created.headers["content-type"] == b"application/json"
        assert json.loads(created.body) == {"email": "ä\ud800@example.com", "role": "user", "name": "x\r\ny"}
        await attempt(client.exchange_code("a&b=c+d", "http://localhost/cb?x=1&y=2", code_verifier="ü"))
        form = provider.seen[-1]
        assert form.headers["content-type"] == b"application/x-www-form-urlencoded"
        assert parse_qs(form.body.decode(), strict_parsing=True) == {
            "grant_type": ["authorization_code"], "code": ["a&b=c+d"], "redirect_uri": ["http://localhost/cb?x=1&y=2"],
            "code_verifier": ["ü"], "client_id": ["my-app"], "client_secret": ["s3cret-of-the-application"],
        }  # fmt: skip

    async def test_a_public_client_sends_no_secret(self, make: Any, provider: Provider) -> None:
        await attempt(make(client_secret="").refresh_token("r"))
        form = parse_qs(provider.seen[-1].body.decode())
        assert form == {"grant_type": ["refresh_token"], "refresh_token": ["r"], "client_id": ["my-app"]}

    async def test_a_decision_is_asked_for_in_full(self, client: Any, provider: Provider) -> None:
        await client.decide("reports.read")
        assert json.loads(provider.seen[-1].body) == {"action": "reports.read", "resource": {}, "context": {}}
        await client.decide(
            "reports.read",
            subject=Subject(user_id=42),
            resource=Resource("report", "1", {"size": 3}),
            ip="192.0.2.1",
            attributes={"office": True},
            pep_mode="enforce",
        )
        assert json.loads(provider.seen[-1].body) == {
            "action": "reports.read",
            "subject": {"user_id": 42},
            "resource": {"type": "report", "id": "1", "attributes": {"size": 3}},
            "context": {"ip": "192.0.2.1", "attributes": {"office": True}},
            "pep_mode": "enforce",
        }

    async def test_what_json_cannot_say_is_refused_before_any_request(self, client: Any, provider: Provider) -> None:
        await client.get_user_as_service(1)
        provider.seen.clear()
        with pytest.raises(ValueError, match="JSON"):
            await client.decide("a.b", attributes={"x": float("nan")})
        assert not provider.seen

    async def test_a_logout_has_no_body(self, admin: Any, provider: Provider) -> None:
        await admin.logout()
        assert (provider.seen[-1].method, provider.seen[-1].body) == ("POST", b"")


class TestWhoseBrowser:
    async def test_calls_for_a_browser_name_it_and_others_do_not(self, client: Any, provider: Provider) -> None:
        token = provider.user_token()
        mine = client.with_jwt(token).with_attribution(ip=" ::ffff:192.0.2.7 ", user_agent="Firefox")
        for call in (
            mine.exchange_code("c", "http://localhost/"), mine.refresh_token("r"), mine.revoke_token("t"),
            mine.verify_magic_link("t"), mine.signup("F", "f@b.c", "x"), mine.admin_login("a@b.c", "x"),
        ):  # fmt: skip
            provider.seen.clear()
            await attempt(call)
            assert provider.seen[0].headers["x-forwarded-for"] == b"192.0.2.7"
            assert provider.seen[0].headers["user-agent"] == b"Firefox"
            assert "x-real-ip" not in provider.seen[0].headers
            assert len(provider.seen[0].header_names) == len(set(provider.seen[0].header_names))
        for call in (
            mine.introspect_token("t"), mine.get_current_user_profile(), mine.get_user_as_service(1), mine.get_user(1),
            mine.get_profile(),
        ):  # fmt: skip
            provider.seen.clear()
            await attempt(call)
            assert all("x-forwarded-for" not in seen.headers for seen in provider.seen)
            assert all(seen.headers["user-agent"] == b"identry-kit" for seen in provider.seen)
        provider.seen.clear()
        await mine.logout()
        assert provider.seen[0].headers["x-forwarded-for"] == b"192.0.2.7"

    async def test_a_browser_that_nobody_knows_is_not_named(self, client: Any, provider: Provider) -> None:
        await attempt(client.with_attribution(ip="unknown", user_agent="\r\n").refresh_token("r"))
        assert "x-forwarded-for" not in provider.seen[0].headers
        assert provider.seen[0].headers["user-agent"] == b"identry-kit"

    @every(
        ("text", "canonical"),
        [
            ("192.0.2.1", "192.0.2.1"), ("2001:DB8:0:0::1", "2001:db8::1"), ("::ffff:c000:201", "192.0.2.1"),
            ("", ""), ("192.0.2.1, 10.0.0.1", ""), ("192.0.2.1:80", ""), ("[::1]", ""), ("fe80::1%eth0", ""),
            ("192.0.2.01", ""), ("0x7f000001", ""), ("192.0.2.1\r\nX: 1", ""), ("localhost", ""), ("1", ""),
        ],
    )  # fmt: skip
    def test_an_address_is_one_canonical_address_or_none(self, text: str, canonical: str) -> None:
        assert canonical_ip(text) == canonical

    @every(
        ("text", "clean"),
        [
            ("Mozilla/5.0 (X)", b"Mozilla/5.0 (X)"),
            (" a\r\nX-Evil: 1\x00\x7f\x85 ", b"aX-Evil: 1"),
            ("é\ud800è", "éè".encode()),
            ("x" * 600, b"x" * 512),
            ("x" * 511 + "é", b"x" * 511),
            ("\U0001f600" * 200, "\U0001f600".encode() * 128),
            ("\t\n", b""),
        ],
    )
    def test_a_user_agent_is_clean_and_short(self, text: str, clean: bytes) -> None:
        assert clean_user_agent(text) == clean
        assert Attribution(user_agent=text).headers() == ({"User-Agent": clean} if clean else {})

    async def test_a_user_agent_of_another_alphabet_arrives(self, client: Any, provider: Provider) -> None:
        await attempt(client.with_attribution(user_agent="Браузер/1").refresh_token("r"))
        assert provider.seen[0].headers["user-agent"].decode() == "Браузер/1"


class TestWhatNeverGoes:
    async def test_a_cookie_set_for_one_is_not_sent_for_another(self, client: Any, provider: Provider) -> None:
        provider.fail("cookie", times=2)
        await attempt(client.with_jwt("one").get_profile())
        await attempt(client.with_jwt("one").get_user(1))
        await attempt(client.with_jwt("two").get_profile())
        await attempt(client.with_jwt("two").get_user(1))
        assert not [seen for seen in provider.seen if "cookie" in seen.headers]

    async def test_defaults_of_a_client_of_your_own_do_not_join(self, endpoint: Any, provider: Provider) -> None:
        defaults: dict[str, Any] = {
            "headers": {"X-Real-IP": "10.0.0.1", "X-Forwarded-For": "10.0.0.1", "Authorization": "Basic eDp5"},
            "cookies": {"session": "someone"}, "auth": ("user", "pass"), "params": {"x": "1"},
            "follow_redirects": True,
        }  # fmt: skip
        async with httpx2.AsyncClient(**defaults) as http:
            client = Client(**endpoint.settings(), http=http)
            await client.with_attribution(ip="192.0.2.7").signup("F", "f@example.com", "correct horse battery")
            provider.fail("redirect")
            await attempt(client.with_jwt("t").get_profile())
            await client.aclose()
            assert not http.is_closed
        with httpx2.Client(**defaults) as blocking_http:
            with BlockingClient(**endpoint.settings(), http=blocking_http) as blocking:
                blocking.with_attribution(ip="192.0.2.7").signup("G", "g@example.com", "correct horse battery")
            assert not blocking_http.is_closed
        for seen in (provider.seen[0], provider.seen[-1]):
            assert seen.headers["x-forwarded-for"] == b"192.0.2.7"
            assert not {"x-real-ip", "authorization", "cookie"} & set(seen.headers)
            assert seen.query == ""
        assert not provider.seen_at("/stolen")

    @pytest.mark.parametrize("request_id", ["a b", "a\r\nX-Evil: 1", "x" * 129, "é", ""])
    async def test_a_strange_request_id_is_not_passed_on(self, admin: Any, provider: Provider, request_id: str) -> None:
        with context.use(request_id=request_id):
            await admin.get_user(1)
        assert "x-correlation-id" not in provider.seen[-1].headers

    async def test_the_request_id_is(self, admin: Any, provider: Provider) -> None:
        with context.use(request_id="0b5c.a_b:c-9"):
            await admin.get_user(1)
        assert provider.seen[-1].headers["x-correlation-id"] == b"0b5c.a_b:c-9"
