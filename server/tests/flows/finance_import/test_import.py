"""Importing from Finance: a real second database with Prisma's tables, the outcome seen in rows and over HTTP."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import bcrypt
import pytest
from harness import PASSWORD, Harness, Servers, running
from services.databases import create_database
from services.finance import SCHEMA

from identry.core.db import Database, Rejected
from identry.core.foreign_tables import ForeignTableError
from identry.core.passwords import is_placeholder
from identry.flows.finance_import.report import Report
from identry.flows.finance_import.service import FinanceImport
from identry.flows.finance_import.source import FinanceSource, TableNames

PAST = datetime(2024, 5, 1, 12, 0, 0, 123000)
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


class Finance:
    """The other side: Finance's database, and an import from it into the application's."""

    def __init__(self, app: Harness, connection: asyncpg.Connection, url: str) -> None:
        self.app = app
        self.sql = connection
        self.url = url
        self.names = TableNames()

    async def user(self, email: str | None = None, **columns: Any) -> tuple[str, str]:
        """A user; returns (id, email)."""
        values = {"id": str(uuid4()), "fullName": "Finn"}
        values["email"] = f"f-{secrets.token_hex(6)}@example.com" if email is None else email
        values |= {"createdAt": PAST, "updatedAt": PAST, **columns}
        await self.insert("User", values)
        return values["id"], values["email"]

    async def membership(self, user_id: str, company: str, role: str = "MEMBER", **columns: Any) -> None:
        """A membership of a company or, with `businessUnitId`, of a unit."""
        table = "BusinessUnitMembership" if "businessUnitId" in columns else "CompanyMembership"
        values = {"id": str(uuid4()), "userId": user_id, "companyId": company, "role": role, **columns}
        await self.insert(table, {"createdAt": PAST, "updatedAt": PAST, **values})

    async def insert(self, table: str, values: dict[str, Any]) -> None:
        columns = ", ".join(f'"{name}"' for name in values)
        places = ", ".join(f"${i}" for i in range(1, len(values) + 1))
        await self.sql.execute(f'INSERT INTO "{table}" ({columns}) VALUES ({places})', *values.values())

    async def touch(self, user_id: str, **columns: Any) -> None:
        """Change a user in Finance, now."""
        values = {"updatedAt": datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1), **columns}
        sets = ", ".join(f'"{name}" = ${i}' for i, name in enumerate(values, start=2))
        await self.sql.execute(f'UPDATE "User" SET {sets} WHERE "id" = $1', user_id, *values.values())

    async def run(self, *, dry_run: bool = False, replace: bool = False) -> Report:
        """Import."""
        e = self.app.app.engines
        theirs = await Database.connect(self.url, read_only=True, patience=30)
        ours = await Database.connect(self.app.env["DATABASE_URL"], read_only=dry_run, patience=30)
        try:
            source = FinanceSource(theirs, self.names)
            service = FinanceImport(ours, e.clock, e.audit, source, e.passwords.placeholder())
            return await service.run(dry_run=dry_run, replace_conflicts=replace, progress=lambda done, total: None)
        finally:
            await theirs.close()
            await ours.close()

    async def here(self, user_id: str) -> Any:
        """The account, or None."""
        return await self.app.db.fetchrow("SELECT * FROM users WHERE id = $1", UUID(user_id))

    async def login(self, email: str, password: str = PASSWORD) -> int:
        reply = await self.app.http.post(
            "/auth/login",
            json={"email": email, "password": password},
            headers={"X-Forwarded-For": self.app.fresh_ip()},
        )
        return reply.status_code


@pytest.fixture(scope="module")
async def harness(servers: Servers) -> AsyncIterator[Harness]:
    async with running(servers) as app:
        yield app


@pytest.fixture
async def finance(harness: Harness, servers: Servers) -> AsyncIterator[Finance]:
    url = await create_database(servers.postgres_url, SCHEMA)
    connection = await asyncpg.connect(url)
    yield Finance(harness, connection, url)
    await connection.close()


async def test_accounts_come_with_their_ids_and_hashes_and_can_sign_in(finance: Finance) -> None:
    argon = await finance.app.password_hash()
    by_bcrypt, bcrypt_email = await finance.user(
        password=BCRYPT, phoneNumber="+65 6123 4567", profilePictureUrl="https://example.com/p.png", legacyId=42
    )
    _, argon_email = await finance.user(email="Big.Letters" + secrets.token_hex(4) + "@Example.COM", password=argon)
    report = await finance.run()
    assert (report.users.found, report.users.created, report.complete) == (2, 2, True)
    row = await finance.here(by_bcrypt)
    assert row["password_hash"] == BCRYPT
    assert (row["full_name"], row["phone_number"]) == ("Finn", "+65 6123 4567")
    assert (row["legacy_ids"], row["global_role"], row["approval_status"]) == ('{"finance": "42"}', "NONE", "APPROVED")
    assert row["created_at"] == PAST.replace(tzinfo=UTC)
    assert await finance.login(bcrypt_email) == 200
    assert await finance.login(argon_email) == 200
    assert await finance.here(by_bcrypt) != row, "a foreign hash is replaced at the first sign-in"


async def test_accounts_without_a_password_get_a_hash_that_nothing_verifies_and_can_reset_it(finance: Finance) -> None:
    first, email = await finance.user(password=None)
    second, _ = await finance.user(password="")
    plain, plain_email = await finance.user(password="hunter2hunter2")
    report = await finance.run()
    assert report.without_password == 3
    rows = [await finance.here(user_id) for user_id in (first, second, plain)]
    assert len({row["password_hash"] for row in rows}) == 1
    assert rows[0]["password_hash"].startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert is_placeholder(rows[0]["password_hash"])
    for password in ("", "no password yet!", "hunter2hunter2", PASSWORD):
        assert await finance.login(email, password or "x") == 401
    assert await finance.login(plain_email, "hunter2hunter2") == 401, "a plain password is not carried over"
    await finance.app.http.post("/auth/password-reset/request", json={"email": email})
    (mail,) = [m for m in await finance.app.mails(email) if m["template"] == "password_reset"]
    token = mail["links"][0].rpartition("token=")[2]
    reply = await finance.app.http.post(
        "/auth/password-reset/confirm", json={"token": token, "newPassword": "an entirely new one"}
    )
    assert reply.status_code == 200, reply.text
    assert await finance.login(email, "an entirely new one") == 200


async def test_memberships_come_with_their_roles_ids_and_states(finance: Finance) -> None:
    user_id, email = await finance.user(password=BCRYPT)
    company, other, unit = (str(uuid4()) for _ in range(3))
    membership = str(uuid4())
    await finance.membership(user_id, company, "CASHIER", id=membership)
    await finance.membership(user_id, other, "OWNER", isActive=False)
    await finance.membership(user_id, company, "MANAGER", businessUnitId=unit)
    report = await finance.run()
    assert (report.companies.created, report.units.created) == (2, 1)
    reply = await finance.app.http.post(
        "/auth/login", json={"email": email, "password": PASSWORD}, headers={"X-Forwarded-For": finance.app.fresh_ip()}
    )
    bearer = {"Authorization": f"Bearer {reply.json()['data']['accessToken']}"}
    me = (await finance.app.http.get("/auth/me", headers=bearer)).json()["data"]
    found = {(m["companyId"], m["role"], m["isActive"]) for m in me["companyMemberships"]}
    assert found == {(company, "CASHIER", True), (other, "OWNER", False)}
    assert membership in {m["id"] for m in me["companyMemberships"]}
    (unit_row,) = me["businessUnitMemberships"]
    assert (unit_row["businessUnitId"], unit_row["role"]) == (unit, "MANAGER")


async def test_everything_is_audited_as_done_by_the_system_in_the_same_transaction(finance: Finance) -> None:
    user_id, _ = await finance.user()
    company = str(uuid4())
    await finance.membership(user_id, company, "ADMIN")
    await finance.run()
    rows = await finance.app.audit(target_user_id=UUID(user_id))
    assert [(row["event"], row["actor_type"]) for row in rows] == [
        ("user.created", "system"),
        ("membership.company.created", "system"),
    ]
    assert rows[1]["company_id"] == UUID(company)


async def test_a_second_run_changes_nothing_and_writes_no_audit(finance: Finance) -> None:
    user_id, _ = await finance.user(password=BCRYPT)
    await finance.membership(user_id, str(uuid4()), "ADMIN")
    await finance.membership(user_id, str(uuid4()), "ADMIN", businessUnitId=str(uuid4()))
    await finance.run()
    before = await finance.here(user_id)
    report = await finance.run()
    assert (report.users.unchanged, report.companies.unchanged, report.units.unchanged) == (1, 1, 1)
    assert (report.users.created, report.users.updated) == (0, 0)
    assert await finance.here(user_id) == before
    assert len(await finance.app.audit(target_user_id=UUID(user_id))) == 3


async def test_a_dry_run_counts_and_writes_nothing(finance: Finance) -> None:
    user_id, _ = await finance.user()
    await finance.membership(user_id, str(uuid4()), "ADMIN")
    await finance.user(email="nonsense")
    before = await finance.app.db.fetchval("SELECT count(*) FROM users")
    dry = await finance.run(dry_run=True)
    assert await finance.here(user_id) is None
    assert await finance.app.db.fetchval("SELECT count(*) FROM users") == before
    wet = await finance.run()
    assert dry == wet
    assert (wet.users.created, wet.users.skipped, wet.companies.created) == (1, 1, 1)


async def test_what_is_newer_in_finance_comes_over(finance: Finance) -> None:
    user_id, _ = await finance.user(password=None)
    company = str(uuid4())
    await finance.membership(user_id, company, "MEMBER", id="11111111-1111-4111-8111-111111111111")
    await finance.run()
    email = f"new-{secrets.token_hex(4)}@example.com"
    await finance.touch(user_id, fullName="New Name", email=email, password=BCRYPT)
    await finance.sql.execute(
        """UPDATE "CompanyMembership" SET "role" = 'ADMIN', "updatedAt" = now() + interval '1 s'"""
    )
    report = await finance.run()
    assert (report.users.updated, report.companies.updated) == (1, 1)
    row = await finance.here(user_id)
    assert (row["full_name"], row["email"], row["token_version"]) == ("New Name", email, 2)
    assert await finance.login(email) == 200
    membership = await finance.app.db.fetchrow("SELECT * FROM company_memberships WHERE user_id = $1", UUID(user_id))
    assert (membership["role"], membership["access_version"]) == ("ADMIN", 2)
    events = [row["event"] for row in await finance.app.audit(target_user_id=UUID(user_id), actor_type="system")]
    assert set(events[2:]) == {
        "user.updated",
        "user.email_changed",
        "user.password_changed",
        "membership.company.updated",
    }


async def test_an_account_deactivated_in_finance_loses_its_sessions(finance: Finance) -> None:
    user_id, email = await finance.user(password=BCRYPT)
    await finance.run()
    reply = await finance.app.http.post(
        "/auth/login", json={"email": email, "password": PASSWORD}, headers={"X-Forwarded-For": finance.app.fresh_ip()}
    )
    bearer = {"Authorization": f"Bearer {reply.json()['data']['accessToken']}"}
    await finance.touch(user_id, isActive=False)
    await finance.run()
    assert (await finance.app.http.get("/auth/me", headers=bearer)).status_code == 401
    assert await finance.login(email) == 403


async def test_what_was_closed_or_changed_here_stays(finance: Finance) -> None:
    """A later import neither lets anybody back in nor brings back an old password or address."""
    user_id, email = await finance.user(password=BCRYPT)
    await finance.run()
    staff = await finance.app.signed_in(global_role="PLATFORM_SUPERADMIN")
    changed = {"password": "chosen in identry", "email": f"here-{secrets.token_hex(4)}@example.com"}
    reply = await finance.app.http.patch(f"/internal/users/{user_id}", json=changed, headers=staff.bearer)
    assert reply.status_code == 200, reply.text
    await finance.touch(user_id, fullName="Touched", password=BCRYPT.replace("$2b$04", "$2b$05"))
    assert (await finance.run()).users.updated == 1
    assert (await finance.here(user_id))["full_name"] == "Touched"
    assert await finance.login(changed["email"], "chosen in identry") == 200
    assert await finance.login(email) == 401

    reply = await finance.app.http.delete(f"/internal/users/{user_id}", headers=staff.bearer)
    assert reply.status_code == 200
    await finance.touch(user_id, fullName="Touched again", isActive=True)
    await finance.run()
    row = await finance.here(user_id)
    assert (row["full_name"], row["is_active"]) == ("Touched again", False)


async def test_an_address_held_here_by_another_id_is_listed_and_skipped(finance: Finance) -> None:
    held = await finance.app.make_user()
    user_id, _ = await finance.user(email=held.email.upper())
    await finance.membership(user_id, str(uuid4()))
    report = await finance.run()
    (problem,) = report.problems
    assert (problem.kind, problem.table, problem.row) == ("conflict", "User", user_id)
    assert problem.reason == f"{held.email} belongs to account {held.id}"
    assert (report.users.skipped, report.companies.skipped) == (1, 1)
    assert await finance.here(user_id) is None


async def test_replace_conflicts_lets_finances_id_own_the_address(finance: Finance) -> None:
    held = await finance.app.signed_in()
    await finance.app.join(held, uuid4(), "OWNER")
    user_id, _ = await finance.user(email=held.email, password=BCRYPT)
    report = await finance.run(replace=True)
    assert (report.replaced, report.users.created, report.complete) == (1, 1, True)
    assert await finance.here(str(held.id)) is None
    assert str((await finance.here(user_id))["email"]) == held.email
    assert (await finance.app.http.get("/auth/me", headers=held.bearer)).status_code == 401
    refreshed = await finance.app.http.post("/auth/refresh", json={"refreshToken": held.refresh_token})
    assert refreshed.status_code == 401
    assert await finance.app.db.fetchval("SELECT count(*) FROM company_memberships WHERE user_id = $1", held.id) == 0
    assert [row["event"] for row in await finance.app.audit("user.deleted", target_user_id=held.id)] == ["user.deleted"]


async def test_platform_staff_is_neither_replaced_nor_changed(finance: Finance) -> None:
    staff = await finance.app.make_user(global_role="PLATFORM_ADMIN")
    await finance.user(email=staff.email)
    other = await finance.app.make_user(global_role="PLATFORM_MODERATOR")
    await finance.user(email=other.email, id=str(other.id), password=BCRYPT)
    await finance.touch(str(other.id), isActive=False)
    report = await finance.run(replace=True)
    assert {problem.kind for problem in report.problems} == {"conflict"}
    assert len(report.problems) == 2
    assert (await finance.here(str(staff.id)))["email"] == staff.email
    assert await finance.login(other.email) == 200


@pytest.mark.parametrize("replace", [False, True])
async def test_two_users_of_finance_with_one_address_are_a_conflict_in_every_mode(
    finance: Finance, replace: bool
) -> None:
    _, email = await finance.user()
    await finance.user(email=email.upper())
    for _ in range(2):
        report = await finance.run(replace=replace)
        assert len(report.problems) == 1
        assert "is also the address of Finance's user" in report.problems[0].reason


@pytest.mark.parametrize("replace", [False, True])
async def test_an_address_that_moved_from_one_user_to_another_moves_here_too(finance: Finance, replace: bool) -> None:
    """Whichever of the two comes first."""
    for first, second in (("0", "f"), ("f", "0")):
        old, address = await finance.user(id=first + str(uuid4())[1:])
        await finance.run()
        await finance.touch(old, email=f"moved-{secrets.token_hex(4)}@example.com")
        new, _ = await finance.user(email=address, id=second + str(uuid4())[1:])
        for dry_run in (True, False):
            report = await finance.run(replace=replace, dry_run=dry_run)
            assert report.complete, report.problems
        assert (await finance.here(new))["email"] == address


INVALID_USERS = {
    "no at": {"email": "nobody"},
    "empty": {"email": ""},
    "control": {"email": "a\nb@example.com"},
    "unicode local part": {"email": "jörg@example.com"},
    "too long": {"email": "a" * 250 + "@example.com"},
    "id": {"id": "ckv5k2l0x0000qz8f"},
}


@pytest.mark.parametrize("name", INVALID_USERS)
async def test_an_invalid_user_is_listed_and_skipped_with_its_memberships(finance: Finance, name: str) -> None:
    user_id, _ = await finance.user(**INVALID_USERS[name])
    await finance.membership(user_id, str(uuid4()))
    good, _ = await finance.user()
    report = await finance.run()
    assert [(p.kind, p.table) for p in report.problems] == [("invalid", "User")]
    assert report.problems[0].reason.isascii()
    assert "\n" not in report.problems[0].reason
    assert (report.users.created, report.users.skipped, report.companies.skipped) == (1, 1, 1)
    assert await finance.here(good)


async def test_an_invalid_membership_is_listed_and_skipped_alone(finance: Finance) -> None:
    user_id, _ = await finance.user()
    await finance.membership(user_id, str(uuid4()), "weird-role")
    await finance.membership(user_id, "company-7")
    await finance.membership(user_id, str(uuid4()), "admin", businessUnitId=str(uuid4()))
    await finance.membership(user_id, str(uuid4()), "ADMIN", businessUnitId="unit 1")
    await finance.membership(user_id, str(uuid4()), "MEMBER")
    for orphan in (str(uuid4()), "", "zzz", "00000000-0000-0000-0000-000000000000"):
        await finance.membership(orphan, str(uuid4()))
    report = await finance.run()
    assert report.users.created == 1
    assert (report.companies.created, report.companies.skipped) == (1, 6)
    assert (report.units.created, report.units.skipped) == (0, 2)
    assert {problem.kind for problem in report.problems} == {"invalid"}
    assert sum("no user" in problem.reason for problem in report.problems) == 4


async def test_what_is_not_acceptable_in_a_profile_is_dropped_and_the_account_kept(finance: Finance) -> None:
    user_id, _ = await finance.user(
        fullName="  Line\nbreak\x07 " + "x" * 300, phoneNumber="call me", profilePictureUrl="javascript:alert(1)"
    )
    nameless, nameless_email = await finance.user(fullName=None)
    assert (await finance.run()).complete
    row = await finance.here(user_id)
    assert row["full_name"].startswith("Line break x")
    assert len(row["full_name"]) <= 200
    assert (row["phone_number"], row["profile_picture_url"]) == (None, None)
    assert (await finance.here(nameless))["full_name"] == nameless_email.partition("@")[0]


async def test_several_memberships_of_one_user_in_one_company_become_the_highest_active_one(finance: Finance) -> None:
    user_id, _ = await finance.user()
    company = str(uuid4())
    for role, active in (("OWNER", False), ("MEMBER", True), ("MANAGER", True), ("CASHIER", True)):
        await finance.membership(user_id, company, role, isActive=active)
    report = await finance.run()
    assert (report.companies.found, report.companies.created, report.companies.merged) == (4, 1, 3)
    row = await finance.app.db.fetchrow("SELECT * FROM company_memberships WHERE user_id = $1", UUID(user_id))
    assert (row["role"], row["is_active"]) == ("MANAGER", True)


async def test_names_of_tables_and_columns_can_be_given(harness: Harness, servers: Servers) -> None:
    user_id, company = uuid4(), uuid4()
    email = f"odd-{secrets.token_hex(6)}@example.com"
    url = await create_database(
        servers.postgres_url,
        f"""
        CREATE SCHEMA fin;
        CREATE TABLE fin.people (id uuid, "e-mail" varchar, "na""me" text, mail text);
        CREATE TABLE fin.members (id bigint, person uuid, "companyId" uuid, role text);
        CREATE TABLE fin.units (id bigint, person uuid, "companyId" uuid, "businessUnitId" uuid, role text);
        INSERT INTO fin.people VALUES ('{user_id}', 'x', 'y', '{email}');
        INSERT INTO fin.members VALUES (7, '{user_id}', '{company}', 'OWNER');
        """,
    )
    connection = await asyncpg.connect(url)
    finance = Finance(harness, connection, url)
    columns = {"User.email": "mail", "CompanyMembership.userId": "person", "BusinessUnitMembership.userId": "person"}
    finance.names = TableNames("fin.people", "fin.members", "fin.units", columns)
    for created in (1, 0):
        report = await finance.run()
        assert (report.users.created, report.companies.created, report.complete) == (created, created, True)
    assert (await finance.here(str(user_id)))["email"] == email
    await connection.close()


async def test_a_name_is_never_more_than_a_name(finance: Finance) -> None:
    finance.names = TableNames(users='User" WHERE false; DROP TABLE "Company"; --')
    with pytest.raises(ForeignTableError):
        await finance.run()
    assert await finance.sql.fetchval("""SELECT to_regclass('"Company"') IS NOT NULL""")


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ('DROP TABLE "CompanyMembership"', '"CompanyMembership"'),
        ('ALTER TABLE "User" DROP COLUMN "email"', '"User" has no column "email"'),
        ('ALTER TABLE "BusinessUnitMembership" DROP COLUMN "companyId"', '"BusinessUnitMembership" has no column'),
    ],
)
async def test_a_missing_table_or_column_is_named(finance: Finance, damage: str, what: str) -> None:
    await finance.sql.execute(damage)
    with pytest.raises(ForeignTableError) as error:
        await finance.run()
    assert what in str(error.value)


async def test_a_role_that_may_not_read_is_an_error_and_nothing_is_written(finance: Finance) -> None:
    role = f"reader_{secrets.token_hex(6)}"
    user_id, _ = await finance.user()
    await finance.sql.execute(f'CREATE ROLE {role} LOGIN; GRANT SELECT ON "User", "CompanyMembership" TO {role}')
    finance.url = finance.url.replace("//postgres@", f"//{role}@")
    with pytest.raises(Rejected, match="permission denied"):
        await finance.run()
    assert await finance.here(user_id) is None
    await finance.sql.execute(f'GRANT SELECT ON "BusinessUnitMembership" TO {role}')
    assert (await finance.run()).users.created == 1


async def test_five_thousand_accounts_with_memberships_arrive_whole(finance: Finance) -> None:
    tag = secrets.token_hex(4)
    await finance.sql.execute(
        f"""
        INSERT INTO "User" ("id", "email", "fullName", "createdAt", "updatedAt")
        SELECT gen_random_uuid()::text, 'bulk-{tag}-' || n || '@example.com', 'User ' || n, now(), now()
        FROM generate_series(1, 5000) n;
        INSERT INTO "CompanyMembership" ("id", "userId", "companyId", "role")
        SELECT gen_random_uuid()::text, "id", gen_random_uuid()::text, 'MEMBER' FROM "User";
        INSERT INTO "BusinessUnitMembership" ("id", "userId", "companyId", "businessUnitId", "role")
        SELECT gen_random_uuid()::text, "userId", "companyId", gen_random_uuid()::text, 'VIEWER'
        FROM "CompanyMembership";
        """
    )
    report = await finance.run()
    assert report.complete
    assert (report.users.created, report.companies.created, report.units.created) == (5000, 5000, 5000)
    counts = await finance.app.db.fetchrow(
        """
        SELECT (SELECT count(*) FROM users WHERE email LIKE $1),
               (SELECT count(*) FROM company_memberships m JOIN users u ON u.id = m.user_id WHERE u.email LIKE $1),
               (SELECT count(*) FROM business_unit_memberships m JOIN users u ON u.id = m.user_id WHERE u.email LIKE $1)
        """,
        f"bulk-{tag}-%",
    )
    assert tuple(counts) == (5000, 5000, 5000)
    again = await finance.run()
    assert (again.users.unchanged, again.companies.unchanged, again.units.unchanged) == (5000, 5000, 5000)
