"""Addresses that an administrator blocks: one gate before every door, on every surface."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import uuid4

from harness import PASSWORD, Harness, Servers
from provider.applications import application
from provider.callers import MANAGE, administrator, service_token
from services.program import identry

from identry.web.operations import Operation

BLOCKS = f"{MANAGE}/api/admin/security/blocked-ips"
FOR_ALL = {
    "/health", "/ready", "/metrics", "/.well-known/jwks.json", "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server", "/openapi.json", "/docs",
}  # fmt: skip
"""What signs nobody in and is the same for everybody; and files, which are named by their content."""


def fresh(app: Harness) -> str:
    """A client address that no other test uses, in its canonical form."""
    return str(ip_address(app.fresh_ip()))


def behind(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def block(app: Harness, headers: dict[str, str], address: str, **more: Any) -> dict[str, Any]:
    reply = await app.http.post(BLOCKS, json={"ip_address": address, **more}, headers=headers)
    assert reply.status_code in {200, 201}, reply.text
    made: dict[str, Any] = reply.json()
    return made


def path_of(operation: Operation) -> str:
    return re.sub(r"\{\w+(:number)?\}", "1", re.sub(r"\{\w+:uuid\}", str(uuid4()), operation.path))


async def test_a_blocked_address_finds_every_door_closed_but_those_that_are_for_everybody(app: Harness) -> None:
    _, headers = await administrator(app)
    address = fresh(app)
    await block(app, headers, address)
    words: set[str] = set()
    for operation in app.app.operations:
        reply = await app.http.request(operation.method, path_of(operation), headers=behind(address))
        door = f"{operation.method} {operation.path}: {reply.status_code} {reply.text[:200]}"
        public = operation.path in FOR_ALL or re.search(r"/(pages|assets)/", operation.path)
        assert operation.for_all == bool(public), door
        if public:
            assert reply.status_code != 403, door
        else:
            assert reply.status_code == 403, door
            assert "address_blocked" in reply.text or "access_denied" in reply.text or "not accepted" in reply.text, (
                door
            )
            words.add(reply.headers["content-type"].partition(";")[0] + reply.text[:12])
    assert len(words) >= 4  # platform, browser, provider, pages: each in its own words


async def test_people_and_services_are_let_in_again_when_the_block_is_taken_back_or_ends(app: Harness) -> None:
    _, headers = await administrator(app)
    person, made = await app.make_user(), await application(app, grant_types=["client_credentials"])
    await service_token(app, made)
    address = fresh(app)
    where = behind(address)

    async def sign_in() -> int:
        credentials = {"email": person.email, "password": PASSWORD}
        return (await app.http.post("/auth/login", json=credentials, headers=where)).status_code

    async def service() -> tuple[int, Any]:
        form = {"grant_type": "client_credentials", **made.credentials}
        reply = await app.http.post("/oauth/token", data=form, headers=where)
        return reply.status_code, reply.json().get("error")

    assert (await sign_in(), (await service())[0]) == (200, 200)
    first = await block(app, headers, address)
    assert (await sign_in(), await service()) == (403, (403, "access_denied"))
    assert not await app.audit("auth.login.failed", target_user_id=person.id)
    assert (await app.http.delete(f"{BLOCKS}/{first['id']}", headers=headers)).status_code == 204
    assert (await app.http.delete(f"{BLOCKS}/{first['id']}", headers=headers)).status_code == 404
    assert (await sign_in(), (await service())[0]) == (200, 200)
    await block(app, headers, address, duration_hours=1)
    assert await sign_in() == 403
    app.clock.advance(timedelta(hours=1, seconds=1))
    assert await sign_in() == 200


async def test_a_block_is_shown_with_who_made_it_and_why_and_is_audited_with_it(app: Harness) -> None:
    person, headers = await administrator(app, "PLATFORM_ADMIN")
    address = fresh(app)
    body = {"ip_address": f" {address.upper()} ", "reason": "guesses\npasswords ", "duration_hours": 2}
    reply = await app.http.post(BLOCKS, json=body, headers=headers)
    assert reply.status_code == 201
    made = reply.json()
    assert made.keys() == {
        "id", "ip_address", "reason", "blocked_at", "permanent", "blocked_by", "blocked_by_email", "expires_at",
    }  # fmt: skip
    assert (made["ip_address"], made["reason"], made["permanent"]) == (address, "guessespasswords", False)
    assert made["blocked_by_email"] == person.email
    again = await app.http.post(BLOCKS, json={"ip_address": address, "reason": "for good"}, headers=headers)
    assert (again.status_code, again.json()["id"], again.json()["permanent"]) == (200, made["id"], True)
    listed = (await app.http.get(BLOCKS, headers=headers)).json()
    assert again.json() in listed["blocked_ips"]
    assert listed["total"] == len(listed["blocked_ips"])
    await app.http.delete(f"{BLOCKS}/{made['id']}", headers=headers)
    events = await app.audit(actor_user_id=person.id)
    assert [row["event"] for row in events if row["event"].startswith("address.")] == [
        "address.blocked", "address.blocked", "address.unblocked",
    ]  # fmt: skip
    assert f'"{address}/128"' in events[-1]["details"]


async def test_networks_are_blocked_whole_and_no_address_beside_them(app: Harness) -> None:
    _, headers = await administrator(app)
    for network, inside, outside in (
        ("2001:db8:77::/48", "2001:db8:77:1::9", "2001:db8:78::1"),
        ("198.51.100.64/26", "198.51.100.127", "198.51.100.128"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.8"),
    ):
        made = await block(app, headers, network)
        for address, status in (
            (inside, 403),
            (f"[{inside}]:99" if ":" in inside else f"{inside}:9", 403),
            (outside, 401),
        ):
            assert (await app.http.get("/auth/me", headers=behind(address))).status_code == status, (network, address)
        assert (await app.http.delete(f"{BLOCKS}/{made['id']}", headers=headers)).status_code == 204


async def test_nobody_shuts_out_themselves_the_proxies_or_half_of_the_internet(app: Harness) -> None:
    _, headers = await administrator(app)
    own = fresh(app)
    refused = {
        own: (409, "your own address"),
        f"{own.rpartition('::')[0]}::/64": (409, "your own address"),
        "127.1.2.3": (409, "trusted proxy"),
        "127.0.0.0/9": (409, "trusted proxy"),
        "::1": (409, "trusted proxy"),
        "64.0.0.0/7": (400, "as wide as"),
        "::/0": (400, "as wide as"),
        "192.0.2.1/24": (400, "send an address"),
        "fe80::1%eth0": (400, "send an address"),
        "example.com": (400, "send an address"),
        "": (400, "send an address"),
        "9" * 65: (400, ""),
    }
    before = (await app.http.get(BLOCKS, headers=headers)).json()["total"]
    for address, (status, text) in refused.items():
        reply = await app.http.post(BLOCKS, json={"ip_address": address}, headers={**headers, **behind(own)})
        assert (reply.status_code, text in reply.text) == (status, True), (address, reply.text)
    both = {"ip_address": "192.0.2.9", "permanent": True, "duration_hours": 1}
    assert (await app.http.post(BLOCKS, json=both, headers=headers)).status_code == 400
    assert (await app.http.get(BLOCKS, headers=headers)).json()["total"] == before


async def test_only_administrators_of_the_platform_block(app: Harness) -> None:
    made = await application(app, grant_types=["client_credentials"])
    _, moderator = await administrator(app, "PLATFORM_MODERATOR")
    service = {"Authorization": f"Bearer {await service_token(app, made)}"}
    for headers, status in ((moderator, 403), (service, 401), ({}, 401)):
        for method, path in (("GET", BLOCKS), ("POST", BLOCKS), ("DELETE", f"{BLOCKS}/1")):
            reply = await app.http.request(method, path, json={"ip_address": "192.0.2.1"}, headers=headers)
            assert reply.status_code == status, (method, reply.text)


async def test_an_operator_blocks_from_the_command_line_and_running_servers_hear_of_it(
    app: Harness, servers: Servers, tmp_path: Path
) -> None:
    env = {"APP_ENV": "development", "DATABASE_URL": servers.postgres_url, "REDIS_URL": servers.redis_url}
    env["TRUSTED_PROXY_CIDRS"] = "127.0.0.0/8"
    address = fresh(app)

    async def command(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(lambda: identry("blocked-ips", *words, cwd=tmp_path, **env))
        return done.returncode, done.stdout + done.stderr

    async def becomes(status: int) -> None:
        async with asyncio.timeout(30):
            while (await app.http.get("/auth/me", headers=behind(address))).status_code != status:
                await asyncio.sleep(0.02)

    code, shown = await command("add", address, "--reason", "guesses", "--for", "2h")
    assert (code, f"{address}/128" in shown, "by an operator: guesses" in shown) == (0, True, True), shown
    await becomes(403)
    assert shown in (await command("list"))[1]
    assert await command("remove", address) == (0, f"{address}/128 is let in again\n")
    await becomes(401)
    for words, said in (
        (("remove", address), "no such block"),
        (("remove", "999999999"), "no such block"),
        (("add", "127.0.0.1"), "trusted proxy"),
        (("add", "nowhere"), "send an address"),
        (("add", address, "--for", "soon"), "--for 'soon' is not a duration"),
    ):
        code, shown = await command(*words)
        assert (code, said in shown) == (1, True), shown
    told = (await app.audit("address.unblocked", actor_type="system"))[-1]
    assert address in told["details"]


async def test_without_redis_the_answer_is_still_all_that_standard_output_has(
    app: Harness, servers: Servers, tmp_path: Path
) -> None:
    env = {"APP_ENV": "development", "DATABASE_URL": servers.postgres_url, "REDIS_URL": "redis://127.0.0.1:1/0"}
    address = fresh(app)
    done = await asyncio.to_thread(lambda: identry("blocked-ips", "add", address, cwd=tmp_path, **env))
    (line,) = done.stdout.splitlines()
    assert (done.returncode, f"{address}/128" in line, done.stderr) == (0, True, "")
