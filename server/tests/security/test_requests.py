"""Headers, paths, queries and bodies that try to be more than they are (docs/security.md)."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from uuid import uuid4

import pytest
from harness import PASSWORD, Harness

GARBAGE = [
    "", ",", ", ,", "unknown", "_hidden", "localhost", "1.2.3", "999.1.1.1", "1.2.3.4:99999", "[::1", "::1]", "%",
    "'; DROP TABLE users; --", "1.2.3.4, evil.example.com", "0x7f.1", "127.0.0.1, 127.0.0.1", "fe80::1%eth0",
    "::ffff:1.2.3.4", "a" * 5000, "1.2.3.4," * 500,
]  # fmt: skip


@pytest.mark.parametrize("value", GARBAGE, ids=[f"xff-{n}" for n in range(len(GARBAGE))])
async def test_row_46_no_forwarded_address_replaces_a_password(app: Harness, value: str) -> None:
    person = await app.make_user()
    body = {"email": person.email, "password": "wrong " + PASSWORD}
    reply = await app.http.post("/auth/login", json=body, headers={"X-Forwarded-For": value})
    assert reply.status_code in {401, 429}, reply.text


async def test_row_46_the_limit_counts_the_hop_that_the_proxy_saw(app: Harness) -> None:
    real = app.fresh_ip()
    statuses = []
    for i in range(35):
        body = {"email": f"nobody-{i}-{secrets.token_hex(3)}@example.com", "password": PASSWORD}
        spoofed = f"10.{i}.0.1, 203.0.113.{i}, {real}"
        statuses.append(
            (await app.http.post("/auth/login", json=body, headers={"X-Forwarded-For": spoofed})).status_code
        )
    assert statuses == [401] * 30 + [429] * 5


PATHS = [
    "//internal/users", "/internal//users", "/./internal/users", "/x/../internal/users", "/internal/users/",
    "/INTERNAL/users", "/internal/users;x=1", "/internal/users%00", "/internal%2fusers", "/%69nternal/users",
    "/internal/./users", "/internal/%2e/users", "/health/../internal/users", "/health%2f..%2finternal/users",
    "/health;/internal/users", "/internal/users/..;/", "/.well-known/../internal/users",
    "/auth/login/../../internal/users",
    "/internal/users\\", "/internal/users?", "/internal/users#", "http://127.0.0.1/internal/users",
]  # fmt: skip


async def raw(app: Harness, method: str, target: str, *headers: str) -> int:
    host, port = app.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    writer.write("\r\n".join(lines).encode("latin-1"))
    answer = await asyncio.wait_for(reader.read(65536), 10)
    writer.close()
    return int(answer.split()[1])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X-ODD"])
async def test_row_47_no_spelling_of_a_path_gets_around_the_guard(app: Harness, method: str) -> None:
    length = ("Content-Length: 0",)
    statuses = {path: await raw(app, method, path, *length) for path in PATHS}
    assert not [path for path, status in statuses.items() if status < 400], statuses
    assert not [path for path, status in statuses.items() if status >= 500], statuses


@pytest.mark.parametrize(
    "header",
    [
        "X-Original-URL: /health", "X-Rewrite-URL: /health", "X-Forwarded-Prefix: /health",
        "X-HTTP-Method-Override: OPTIONS",
        "X-Method-Override: GET", "X-Forwarded-Uri: /health", "X-Forwarded-User: admin", "Remote-User: admin",
        "X-Forwarded-Host: internal", "X-Forwarded-For: 127.0.0.1", "Authorization: Basic YWRtaW46YWRtaW4=",
        "Upgrade: websocket",
    ],
)  # fmt: skip
async def test_row_47_no_header_opens_a_guarded_route(app: Harness, header: str) -> None:
    assert await raw(app, "GET", "/internal/users", header) == 401
    assert await raw(app, "GET", f"/internal/users/{uuid4()}/context", header) == 401


async def test_row_48_the_path_decides_and_ids_of_body_and_query_widen_nothing(app: Harness) -> None:
    mine, theirs = uuid4(), uuid4()
    owner, stranger = await app.signed_in(), await app.make_user()
    await app.join(owner, mine, "OWNER")
    await app.join(stranger, theirs, "MEMBER")
    body = {"userId": str(stranger.id), "role": "ADMIN", "companyId": str(mine)}
    path = f"/internal/companies/{theirs}/memberships?companyId={mine}&userId={owner.id}"
    before = await app.db.fetch("SELECT * FROM company_memberships WHERE company_id = $1", theirs)
    reply = await app.http.post(path, json=body, headers={**owner.bearer, "x-org": str(mine)})
    assert reply.status_code == 403
    assert await app.db.fetch("SELECT * FROM company_memberships WHERE company_id = $1", theirs) == before
    me = await app.http.get(f"/auth/me?userId={stranger.id}&id={stranger.id}", headers=owner.bearer)
    assert me.json()["data"]["id"] == str(owner.id)


async def test_row_51_a_failing_statement_shows_no_value(app: Harness, capsys: pytest.CaptureFixture[str]) -> None:
    admin = await app.signed_in(global_role="PLATFORM_SUPERADMIN")
    canary = secrets.token_hex(12)
    await app.db.execute("ALTER TABLE users ADD CONSTRAINT forced CHECK (full_name <> 'Forced ' || phone_number)")
    try:
        body = {
            "email": f"{canary}@example.com",
            "password": f"pw {canary} pw",
            "fullName": "Forced 123456",
            "phoneNumber": "123456",
        }
        reply = await app.http.post("/internal/users", json=body, headers=admin.bearer)
    finally:
        await app.db.execute("ALTER TABLE users DROP CONSTRAINT forced")
    assert reply.status_code == 500
    assert reply.json() == {"success": False, "error": {"code": "internal_error", "message": "Internal Server Error"}}
    logged = capsys.readouterr()
    assert f"pw {canary}" not in logged.out + logged.err


QUERIES: list[tuple[str, int]] = [
    ("sort=passwordHash", 400), ("sort=password_hash", 400), ("sort=createdAt;DROP TABLE users", 400),
    ("sort=-", 400), ("sort=email,", 400), ("sort=(select 1)", 400),
    ("page=-1", 200), ("page=1e9", 200), ("page=999999999999999999999999", 200), ("pageSize=0", 200),
    ("pageSize=100000", 200), ("page=0x10", 200), ("page=%00", 200), ("globalRole=root", 400), ("isActive=maybe", 400),
    ("companyId=1", 400), ("companyId=%27%20OR%201%3D1", 400), ("approvalStatus=approved", 400),
    ("search=%00", 400), ("search=%25%27%3B--", 200), ("search=" + "a" * 201, 400), ("&".join(["a=1"] * 200), 400),
    ("search=%ff", 400), ("passwordHash=x&tokenVersion=1", 200),
]  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), QUERIES, ids=[f"query-{n}" for n in range(len(QUERIES))])
async def test_row_52_what_is_no_filter_is_refused_or_counts_as_absent(app: Harness, query: str, expected: int) -> None:
    admin = await app.signed_in(global_role="PLATFORM_ADMIN")
    reply = await app.http.get(f"/internal/users?{query}", headers=admin.bearer)
    assert reply.status_code == expected, reply.text
    if expected == 200:
        assert len(reply.json()["data"]["users"]) <= 100


TYPES = ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain", "application/xml", "",
         "application/json-patch+json", "application/json; charset=utf-16"]  # fmt: skip


@pytest.mark.parametrize("content_type", TYPES)
async def test_row_54_only_json_is_read(app: Harness, content_type: str) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na@example.com\r\n' + b"--x\r\n" * 10000 + b"--x--"
    )
    taking = [o for o in app.app.operations if o.body is not None and not o.hidden and o.path.startswith("/auth/")]
    assert len(taking) >= 5
    for operation in taking:
        reply = await app.http.request(
            operation.method, operation.path, content=body, headers={"Content-Type": content_type}
        )
        assert reply.status_code == 415, f"{operation.path}: {reply.text}"


async def test_row_54_ranges_of_static_files_are_not_computed(app: Harness) -> None:
    page = await app.http.get("/docs")
    assert page.status_code == 200
    many = "bytes=" + ",".join(f"{i}-" for i in range(4000))
    ranged = await app.http.get("/docs", headers={"Range": many})
    assert (ranged.status_code, ranged.content) == (200, page.content)


async def test_row_55_the_owner_gets_in_while_a_stranger_guesses(app: Harness) -> None:
    owner, stranger_ip = await app.make_user(), app.fresh_ip()
    for _ in range(14):
        body: dict[str, Any] = {"email": owner.email, "password": "guess " + secrets.token_hex(4)}
        await app.http.post("/auth/login", json=body, headers={"X-Forwarded-For": stranger_ip})
    await app.sign_in(owner)
