"""GET /auth/me/access with the built-in plans: the formula, every refusal, and that no change is ever missed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from harness import BASE_ENV, Harness, Person, Servers, running
from services.redis import RedisServer

from identry.entitlements import Catalogue
from identry.flows.company_plans.service import CompanyPlans, PlanUnknown

SOME = "7f1e6f0a-4e0c-4b7a-9a53-0d3f6f0b8a11"
KEY = BASE_ENV["INTERNAL_API_KEY"]


async def ask(app: Harness, person: Person, company: UUID | str, **headers: str) -> object:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return await app.http.get("/auth/me/access", headers={**person.bearer, "x-org": str(company), **more})


async def member(app: Harness, role: str = "MEMBER", **fields: object) -> tuple[Person, UUID]:
    company = uuid4()
    person = await app.signed_in(**fields)
    await app.join(person, company, role)
    return person, company


async def grant(app: Harness, person: Person, company: UUID, **columns: object) -> None:
    sets = "".join(f", {name} = ${i}" for i, name in enumerate(columns, start=3))
    await app.db.execute(
        f"UPDATE company_memberships SET updated_at = now(), access_version = access_version + 1{sets} "
        "WHERE company_id = $1 AND user_id = $2",
        company,
        person.id,
        *columns.values(),
    )


def plans(app: Harness) -> CompanyPlans:
    e = app.app.engines
    return CompanyPlans(e.db, e.clock, e.audit, Catalogue.load())


async def test_the_answer_has_exactly_the_shape_of_the_contract(app: Harness) -> None:
    person, company = await member(app)
    await grant(app, person, company, modules=["finance"], permissions=["finance.expense.create"])
    reply = await ask(app, person, company)
    assert reply.status_code == 200
    body = reply.json()
    generated_at = body["data"]["meta"].pop("generatedAt")
    assert generated_at.endswith("Z")
    assert abs(datetime.fromisoformat(generated_at) - app.clock.now()) < timedelta(minutes=1)
    assert body == {
        "success": True,
        "data": {
            "userId": str(person.id),
            "companyId": str(company),
            "tenantRole": "MEMBER",
            "modules": ["finance"],
            "permissions": ["finance.expense.create"],
            "delegation": {
                "canManageUsers": False,
                "canBuyAddons": False,
                "grantableModules": [],
                "grantablePermissions": [],
            },
            "meta": {"tokenVersion": 1, "accessVersion": 2, "entitlementVersion": 1},
        },
    }


@pytest.mark.parametrize("role", ["OWNER", "ADMIN"])
async def test_owner_and_admin_have_everything_that_the_company_owns_and_may_hand_it_on(
    app: Harness, role: str
) -> None:
    person, company = await member(app, role)
    await plans(app).set(company, "business")
    data = (await ask(app, person, company)).json()["data"]
    owned = Catalogue.load().owned("business", 1)
    assert data["modules"] == sorted(owned.modules) == ["basic", "crm", "projects", "reports"]
    assert data["permissions"] == sorted(owned.permissions)
    assert data["delegation"] == {
        "canManageUsers": True,
        "canBuyAddons": True,
        "grantableModules": data["modules"],
        "grantablePermissions": data["permissions"],
    }


@pytest.mark.parametrize("role", ["MANAGER", "MEMBER", "VIEWER", "CASHIER"])
async def test_other_roles_have_what_was_granted_as_far_as_the_company_owns_it(app: Harness, role: str) -> None:
    person, company = await member(app, role)
    await plans(app).set(company, "business")
    await grant(
        app,
        person,
        company,
        modules=["reports", "finance", "crm", "crm"],
        permissions=["finance.expense.create", "crm.lead.read", "crm.account.read", "crm.lead.read"],
        can_manage_users=True,
        grantable_modules=["finance", "crm"],
        grantable_permissions=["finance.expense.read", "crm.lead.read"],
    )
    data = (await ask(app, person, company)).json()["data"]
    assert data["modules"] == ["crm", "reports"]
    assert data["permissions"] == ["crm.account.read", "crm.lead.read"]
    assert data["delegation"] == {
        "canManageUsers": True,
        "canBuyAddons": False,
        "grantableModules": ["crm"],
        "grantablePermissions": ["crm.lead.read"],
    }


async def test_a_member_without_grants_has_nothing(app: Harness) -> None:
    person, company = await member(app)
    data = (await ask(app, person, company)).json()["data"]
    assert (data["modules"], data["permissions"]) == ([], [])


@pytest.mark.parametrize("org", [None, "", "acme", "1234", "{" + SOME + "}", f"urn:uuid:{SOME}", SOME.replace("-", "")])
async def test_a_missing_or_malformed_x_org_is_a_400(app: Harness, org: str | None) -> None:
    person = await app.signed_in()
    headers = person.bearer if org is None else {**person.bearer, "x-org": org}
    reply = await app.http.get("/auth/me/access", headers=headers)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["code"] == "validation_error"
    assert error["details"]["fields"][0]["field"] == "x-org"


async def test_a_repeated_x_org_is_a_400(app: Harness) -> None:
    person, company = await member(app, "OWNER")
    headers = [*person.bearer.items(), ("x-org", str(company)), ("x-org", str(uuid4()))]
    assert (await app.http.get("/auth/me/access", headers=headers)).status_code == 400


async def test_the_company_is_never_read_from_the_query(app: Harness) -> None:
    person, company = await member(app, "OWNER")
    reply = await app.http.get("/auth/me/access", params={"x-org": str(company)}, headers=person.bearer)
    assert reply.status_code == 400


async def test_no_token_and_a_bad_token_are_a_401_whatever_else_is_wrong(app: Harness) -> None:
    for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Bearer x.y.z", "x-org": str(uuid4())}):
        reply = await app.http.get("/auth/me/access", headers=headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")


async def test_an_ended_session_is_a_401_before_the_company_is_looked_at(app: Harness) -> None:
    person, company = await member(app, "OWNER")
    await app.http.post("/auth/logout", json={"refreshToken": person.refresh_token})
    for org in (str(company), "no uuid"):
        reply = await ask(app, person, org)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "session_revoked")


async def test_without_an_active_membership_it_is_a_403_also_for_platform_staff(app: Harness) -> None:
    for role in ("NONE", "PLATFORM_MODERATOR", "PLATFORM_ADMIN", "PLATFORM_SUPERADMIN"):
        person, company = await member(app, "OWNER", global_role=role)
        reply = await ask(app, person, uuid4())
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
        await app.join(person, company, "OWNER", is_active=False)
        assert (await ask(app, person, company)).status_code == 403


async def test_a_right_internal_key_changes_nothing_and_a_wrong_one_is_a_401_and_audited(app: Harness) -> None:
    person, company = await member(app, "OWNER")
    assert (await ask(app, person, company, X_Internal_API_Key=KEY)).status_code == 200
    for wrong in ("wrong", "", KEY + "x", KEY[:-1]):
        reply = await ask(app, person, company, X_Internal_API_Key=wrong)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")
    trace = uuid4().hex
    await ask(app, person, company, X_Internal_API_Key="wrong", X_Request_ID=trace)
    (row,) = await app.audit("internal_key.rejected", request_id=trace)
    assert row["outcome"] == "failure"


async def test_the_key_alone_is_no_proof_of_a_person(app: Harness) -> None:
    reply = await app.http.get("/auth/me/access", headers={"X-Internal-API-Key": KEY, "x-org": str(uuid4())})
    assert reply.status_code == 401


async def test_the_second_key_is_accepted_and_without_any_key_every_presented_one_is_wrong(servers: Servers) -> None:
    second = "second-" + "b" * 32
    async with running(servers, AUTH_INTERNAL_API_KEY=second) as app:
        person, company = await member(app, "OWNER")
        for key in (KEY, second):
            assert (await ask(app, person, company, X_Internal_API_Key=key)).status_code == 200
        assert (await app.http.get(f"/internal/users/{person.id}/context", headers={"X-Internal-API-Key": second})
                ).status_code == 401  # fmt: skip
    async with running(servers, INTERNAL_API_KEY="") as app:
        person, company = await member(app, "OWNER")
        assert (await ask(app, person, company)).status_code == 200
        assert (await ask(app, person, company, X_Internal_API_Key=KEY)).status_code == 401


async def test_every_change_shows_in_the_next_answer(app: Harness) -> None:
    """The result is cached; its key holds everything that it was made from."""
    person, company = await member(app, "ADMIN")
    staff = await app.signed_in(global_role="PLATFORM_SUPERADMIN")
    first = (await ask(app, person, company)).json()["data"]
    assert "finance" in first["modules"]

    await plans(app).set(company, "basic")
    after_plan = (await ask(app, person, company)).json()["data"]
    assert after_plan["modules"] == ["basic"]
    assert after_plan["meta"]["entitlementVersion"] > first["meta"]["entitlementVersion"]

    await app.http.post(
        f"/internal/companies/{company}/memberships",
        json={"userId": str(person.id), "role": "MEMBER"},
        headers=staff.bearer,
    )
    after_role = (await ask(app, person, company)).json()["data"]
    assert (after_role["tenantRole"], after_role["modules"]) == ("MEMBER", [])
    assert after_role["meta"]["accessVersion"] == first["meta"]["accessVersion"] + 1

    reply = await app.http.put(
        f"/internal/companies/{company}/users/{person.id}/grants",
        json={"modules": ["basic"], "permissions": ["basic.member.read"]},
        headers=staff.bearer,
    )
    assert reply.status_code == 200, reply.text
    assert (await ask(app, person, company)).json()["data"]["permissions"] == ["basic.member.read"]

    await app.http.post(
        f"/internal/companies/{company}/memberships",
        json={"userId": str(person.id), "role": "MEMBER", "isActive": False},
        headers=staff.bearer,
    )
    assert (await ask(app, person, company)).status_code == 403


async def test_an_owner_cannot_grant_beyond_the_plan(app: Harness) -> None:
    owner, company = await member(app, "OWNER")
    person = await app.make_user()
    await app.join(person, company, "MEMBER")
    await plans(app).set(company, "basic")
    path = f"/internal/companies/{company}/users/{person.id}/grants"
    for body, status in (({"modules": ["finance"]}, 403), ({"modules": ["basic"]}, 200)):
        assert (await app.http.put(path, json=body, headers=owner.bearer)).status_code == status


async def test_a_repeated_question_is_answered_from_the_cache_until_its_time_is_up(servers: Servers) -> None:
    async with running(servers, redis=False) as app:
        person, company = await member(app, "OWNER")
        first = (await ask(app, person, company)).json()["data"]
        assert (await ask(app, person, company)).json()["data"] == first
        app.clock.advance(61)
        later = (await ask(app, person, company)).json()["data"]
    assert later["meta"].pop("generatedAt") > first["meta"].pop("generatedAt")
    assert later == first


async def test_with_redis_gone_access_is_worked_out_each_time(servers: Servers) -> None:
    redis = RedisServer().start()
    async with running(servers, REDIS_URL=redis.url) as app:
        person, company = await member(app, "OWNER")
        first = (await ask(app, person, company)).json()["data"]
        redis.kill()
        second = (await ask(app, person, company)).json()["data"]
        assert second["meta"].pop("generatedAt") > first["meta"].pop("generatedAt")
        assert second == first
    redis.stop()


async def test_a_plan_that_the_catalogue_does_not_know_is_a_503(app: Harness) -> None:
    person, company = await member(app, "OWNER")
    await app.db.execute(
        "INSERT INTO company_entitlements (company_id, plan, updated_at) VALUES ($1, 'gone', now())", company
    )
    reply = await ask(app, person, company)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "service_unavailable")
    assert "Retry-After" in reply.headers


async def test_a_catalogue_of_ones_own_replaces_the_built_in_one(servers: Servers, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.json"
    file.write_text(
        json.dumps(
            {
                "version": 7,
                "default": "reader",
                "modules": {"touring": ["touring.show.read", "touring.show.create"]},
                "plans": {"reader": {"modules": ["touring"], "permissions": ["touring.show.read"]}},
            }
        )
    )
    async with running(servers, ENTITLEMENTS_FILE=str(file)) as app:
        person, company = await member(app, "OWNER")
        data = (await ask(app, person, company)).json()["data"]
    assert (data["modules"], data["permissions"]) == (["touring"], ["touring.show.read"])
    assert data["meta"]["entitlementVersion"] == 7


async def test_setting_a_plan_is_audited_once_and_an_unknown_plan_is_refused(app: Harness) -> None:
    company = uuid4()
    for _ in range(2):
        await plans(app).set(company, "basic")
    (row,) = await app.audit("entitlements.updated", company_id=company)
    assert row["actor_type"] == "system"
    assert json.loads(row["details"]) == {"plan": {"from": None, "to": "basic"}}
    with pytest.raises(PlanUnknown, match="there are: basic, business, complete"):
        await plans(app).set(company, "platinum")
