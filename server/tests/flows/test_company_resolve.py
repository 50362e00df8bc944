"""GET /internal/companies/resolve and the existence check, against a real second database as Prisma makes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from harness import BASE_ENV, Harness, Servers, running
from services.databases import create_database
from services.finance import SCHEMA
from services.redis import RedisServer

KEY = {"X-Internal-API-Key": BASE_ENV["INTERNAL_API_KEY"]}
PATH = "/internal/companies/resolve"
ACME, TWIN_A, TWIN_B, NOBODY = (f"{n}c1d7a52-6a8e-4b0f-9d3c-5e2f8a9b7c{n}0" for n in range(4))


@pytest.fixture(scope="module")
async def finance_url(servers: Servers) -> str:
    url = await create_database(servers.postgres_url, SCHEMA)
    connection = await asyncpg.connect(url)
    await connection.executemany(
        'INSERT INTO "Company" ("id", "legacyId", "name") VALUES ($1, $2, $3)',
        [
            (ACME, 4711, "ACME Pte Ltd"),
            (TWIN_A, 1, "Twin"),
            (TWIN_B, 2, "twin "),
            (str(uuid4()), 3, "4711"),
            (str(uuid4()), 4, "Größe & Söhne 100%"),
            ("not-a-uuid", 5, "No Id"),
        ],
    )
    await connection.close()
    return url


@pytest.fixture(scope="module")
async def finance(servers: Servers, finance_url: str) -> AsyncIterator[Harness]:
    async with running(servers, FINANCE_DATABASE_URL=finance_url) as app:
        yield app


async def resolve(app: Harness, raw: str) -> tuple[int, str]:
    reply = await app.http.get(PATH, params={"raw": raw}, headers=KEY)
    body = reply.json()
    return reply.status_code, body["data"]["companyId"] if reply.status_code == 200 else body["error"]["code"]


@pytest.mark.parametrize("raw", [ACME, ACME.upper(), "4711", "ACME Pte Ltd", "  acme pte ltd "])
async def test_an_id_a_legacy_id_and_a_name_resolve(finance: Harness, raw: str) -> None:
    for _ in range(2):
        assert await resolve(finance, raw) == (200, ACME)


async def test_the_answer_has_exactly_the_shape_of_the_contract(finance: Harness) -> None:
    reply = await finance.http.get(PATH, params={"raw": ACME}, headers=KEY)
    assert reply.json() == {"success": True, "data": {"companyId": ACME}}


async def test_a_legacy_id_wins_over_a_name(finance: Harness) -> None:
    assert await resolve(finance, "4711") == (200, ACME)


@pytest.mark.parametrize("raw", [NOBODY, "nobody", "%", "_", "ACME%", "' OR 1=1 --", "No Id", "5", "999999999999"])
async def test_what_nobody_is_called_is_a_404(finance: Harness, raw: str) -> None:
    assert await resolve(finance, raw) == (404, "not_found")


async def test_a_name_that_two_companies_have_is_a_409(finance: Harness) -> None:
    assert await resolve(finance, "TWIN") == (409, "conflict")
    assert await resolve(finance, "2") == (200, TWIN_B)


@pytest.mark.parametrize("query", ["", "?raw=", "?raw=%20%20", "?raw=a%00b", "?raw=a%0Ab", f"?raw={'x' * 201}"])
async def test_a_blank_or_impossible_raw_is_a_400(finance: Harness, query: str) -> None:
    reply = await finance.http.get(PATH + query, headers=KEY)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "validation_error")
    assert reply.json()["error"]["details"]["fields"][0]["field"] == "raw"


async def test_only_the_internal_key_opens_it(finance: Harness) -> None:
    staff = await finance.signed_in(global_role="PLATFORM_SUPERADMIN")
    for headers in ({}, {"X-Internal-API-Key": "wrong"}, staff.bearer):
        reply = await finance.http.get(PATH, params={"raw": ACME}, headers=headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")


async def test_without_finance_it_is_a_501_and_without_a_key_it_does_not_exist(app: Harness, servers: Servers) -> None:
    reply = await app.http.get(PATH, params={"raw": ACME}, headers=KEY)
    assert reply.status_code == 501
    assert reply.json()["error"] == {"code": "not_implemented", "message": "finance database not configured"}
    async with running(servers, INTERNAL_API_KEY="") as keyless:
        assert (await keyless.http.get(PATH, params={"raw": ACME}, headers=KEY)).status_code == 404


async def test_it_is_remembered_for_ten_minutes_and_what_was_not_found_is_not(servers: Servers) -> None:
    url = await create_database(servers.postgres_url, SCHEMA)
    connection = await asyncpg.connect(url)
    async with running(servers, redis=False, FINANCE_DATABASE_URL=url) as app:
        assert await resolve(app, "Late") == (404, "not_found")
        company = str(uuid4())
        await connection.execute('INSERT INTO "Company" ("id", "name") VALUES ($1, $2)', company, "Late")
        assert await resolve(app, "Late") == (200, company)
        await connection.execute('DELETE FROM "Company"')
        app.clock.advance(599)
        assert await resolve(app, "late") == (200, company)
        app.clock.advance(2)
        assert await resolve(app, "Late") == (404, "not_found")
    await connection.close()


async def test_it_works_with_redis_gone(servers: Servers, finance_url: str) -> None:
    redis = RedisServer().start()
    async with running(servers, REDIS_URL=redis.url, FINANCE_DATABASE_URL=finance_url) as app:
        redis.kill()
        assert await resolve(app, "acme pte ltd") == (200, ACME)
    redis.stop()


@pytest.mark.parametrize(
    "damage", ['DROP TABLE "Company"', 'ALTER TABLE "Company" DROP COLUMN "id"', "CREATE ROLE {role} LOGIN"]
)
async def test_a_finance_without_the_table_the_column_or_the_right_is_a_503(servers: Servers, damage: str) -> None:
    url = await create_database(servers.postgres_url, SCHEMA)
    role = f"reader_{uuid4().hex}"
    connection = await asyncpg.connect(url)
    await connection.execute(damage.format(role=role))
    await connection.close()
    env = {"FINANCE_DATABASE_URL": url.replace("//postgres@", f"//{role}@") if "ROLE" in damage else url}
    async with running(servers, redis=False, **env) as app:
        reply = await app.http.get(PATH, params={"raw": ACME}, headers=KEY)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "service_unavailable")
        assert "Company" not in reply.text


async def test_a_finance_that_went_away_is_a_503_and_the_rest_goes_on(servers: Servers) -> None:
    url = await create_database(servers.postgres_url, SCHEMA)
    async with running(servers, redis=False, FINANCE_DATABASE_URL=url) as app:
        connection = await asyncpg.connect(servers.postgres_url)
        await connection.execute(f'DROP DATABASE "{urlsplit(url).path[1:]}" WITH (FORCE)')
        await connection.close()
        assert await resolve(app, "acme") == (503, "service_unavailable")
        assert (await app.http.get("/ready")).status_code == 503
        assert (await app.signed_in()).access_token


async def test_tables_and_columns_of_other_names_can_be_named(servers: Servers) -> None:
    company = str(uuid4())
    url = await create_database(
        servers.postgres_url,
        f"""
        CREATE SCHEMA fin; CREATE TABLE fin.companies (uid uuid, title varchar(99), "old""id" text);
        INSERT INTO fin.companies VALUES ('{company}', 'Odd', 'x-1')
        """,
    )
    async with running(
        servers,
        FINANCE_DATABASE_URL=url,
        MIGRATE_COMPANY_TABLE="fin.companies",
        MIGRATE_COLUMNS="Company.id=uid, Company.name=title",
    ) as app:
        assert await resolve(app, "odd") == (200, company)
        assert await resolve(app, company) == (200, company)


async def test_the_finance_connection_cannot_write(finance: Harness) -> None:
    db = finance.app.engines.finance
    assert db is not None
    with pytest.raises(Exception, match="ReadOnly"):
        await db.execute('DELETE FROM "Company"')


async def test_memberships_are_given_only_in_companies_that_finance_knows(finance: Harness) -> None:
    staff = await finance.signed_in(global_role="PLATFORM_SUPERADMIN")
    person = await finance.make_user()
    for company, status in ((ACME, 201), (str(uuid4()), 404), (ACME.upper(), 200)):
        reply = await finance.http.post(
            f"/internal/companies/{company}/memberships",
            json={"userId": str(person.id), "role": "MEMBER"},
            headers=staff.bearer,
        )
        assert reply.status_code == status, reply.text
