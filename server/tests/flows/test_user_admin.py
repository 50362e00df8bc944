"""/internal/users: lists, accounts, and everything that a change of an account entails."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from uuid import UUID, uuid4

import pytest
from harness import Harness, Person

USER_FIELDS = {
    "id", "email", "fullName", "globalRole", "isActive", "approvalStatus", "authProvider", "phoneNumber",
    "profilePictureUrl", "emailVerified", "mfaEnabled", "lastLoginAt", "createdAt", "updatedAt", "legacyIds",
    "tokenVersion",
}  # fmt: skip


@pytest.fixture(scope="module")
async def admin(shared_app: Harness) -> Person:
    """A superadmin with a session."""
    return await shared_app.signed_in(global_role="PLATFORM_SUPERADMIN")


def fresh_email() -> str:
    return f"n-{secrets.token_hex(6)}@example.com"


async def patch(app: Harness, admin: Person, target: Person, **fields: Any) -> Any:
    return await app.http.patch(f"/internal/users/{target.id}", json=fields, headers=admin.bearer)


async def row(app: Harness, user_id: UUID) -> Any:
    return await app.db.fetchrow("SELECT * FROM users WHERE id = $1", user_id)


async def events(app: Harness, target: Person) -> list[str]:
    return [entry["event"] for entry in await app.audit(target_user_id=target.id) if entry["event"].startswith("user.")]


async def templates(app: Harness, to: str) -> list[str]:
    return [mail["template"] for mail in await app.mails(to)]


# --- list -----------------------------------------------------------------------------------------------------------


async def test_the_list_has_the_contracts_shape(app: Harness, admin: Person) -> None:
    reply = await app.http.get("/internal/users", headers=admin.bearer)
    assert reply.status_code == 200
    body = reply.json()
    assert body["success"] is True
    assert body["data"].keys() == {"users", "page", "pageSize", "totalCount"}
    assert (body["data"]["page"], body["data"]["pageSize"]) == (1, 20)
    assert body["data"]["users"][0].keys() == USER_FIELDS


async def test_pages_do_not_overlap_and_one_past_the_end_is_empty(app: Harness, admin: Person) -> None:
    mark = secrets.token_hex(6)
    made = [await app.make_user(full_name=f"Paged {mark}") for _ in range(5)]
    seen: list[str] = []
    for page, size in ((1, 2), (2, 2), (3, 1), (4, 0)):
        reply = await app.http.get(
            "/internal/users", params={"search": mark, "page": page, "pageSize": 2}, headers=admin.bearer
        )
        data = reply.json()["data"]
        assert data["totalCount"] == 5
        assert len(data["users"]) == size
        seen += [user["id"] for user in data["users"]]
    assert seen == [str(person.id) for person in reversed(made)]


@pytest.mark.parametrize(
    ("page", "size", "expected"),
    [
        ("0", "0", (1, 20)),
        ("-1", "-5", (1, 20)),
        ("x", "5.0", (1, 20)),
        ("1e9", "101", (1, 100)),
        ("99999999999999999999", "100", (1, 100)),
        ("999999999", "1", (999999999, 1)),
        ("'; DROP TABLE users", "NaN", (1, 20)),
    ],
)
async def test_what_is_not_a_page_counts_as_the_default(
    app: Harness, admin: Person, page: str, size: str, expected: tuple[int, int]
) -> None:
    reply = await app.http.get(
        "/internal/users", params={"page": page, "pageSize": size, "search": "no such person"}, headers=admin.bearer
    )
    assert reply.status_code == 200, reply.text
    assert (reply.json()["data"]["page"], reply.json()["data"]["pageSize"]) == expected


async def test_filters_narrow_the_list_together(app: Harness, admin: Person) -> None:
    mark, company = secrets.token_hex(6), uuid4()
    one = await app.make_user(full_name=f"Filter {mark}", approval_status="PENDING", is_active=False)
    two = await app.make_user(full_name=f"Filter {mark}", global_role="PLATFORM_MODERATOR", auth_provider="google")
    await app.join(two, company, "MEMBER")
    for params, expected in (
        ({}, {one.id, two.id}),
        ({"approvalStatus": "PENDING"}, {one.id}),
        ({"isActive": "true"}, {two.id}),
        ({"isActive": "false"}, {one.id}),
        ({"globalRole": "PLATFORM_MODERATOR"}, {two.id}),
        ({"authProvider": "google"}, {two.id}),
        ({"companyId": str(company)}, {two.id}),
        ({"companyId": str(company), "isActive": "false"}, set()),
        ({"isActive": ""}, {one.id, two.id}),
    ):
        reply = await app.http.get("/internal/users", params={"search": mark, **params}, headers=admin.bearer)
        assert {UUID(user["id"]) for user in reply.json()["data"]["users"]} == expected, params


async def test_search_finds_parts_in_any_case_and_takes_wildcards_as_text(app: Harness, admin: Person) -> None:
    mark = secrets.token_hex(6)
    person = await app.make_user(full_name=f"Per%cent_{mark}\\ Émile", email=f"some.{mark}@example.com")
    await app.make_user(full_name=f"Perxcentx{mark}/ Emile")
    for text, found in (
        (f"SOME.{mark.upper()}@", True),
        (f"per%CENT_{mark}", True),
        (f"{mark}\\ É", True),
        (f"per_cent_{mark}", False),
        (f"some%{mark}", False),
        (f"{mark}%", False),
        (f"{mark}@example.com Per", False),
    ):
        reply = await app.http.get("/internal/users", params={"search": text}, headers=admin.bearer)
        ids = [user["id"] for user in reply.json()["data"]["users"]]
        assert (ids == [str(person.id)]) is found, (text, ids)


async def test_every_sort_orders_and_its_minus_turns_it_round(app: Harness, admin: Person) -> None:
    mark = secrets.token_hex(6)
    for number, name in enumerate(("Bb", "Aa", "Cc")):
        person = await app.make_user(full_name=f"{name} {mark}", email=f"{2 - number}-{mark}@example.com")
        if number:
            await app.sign_in(person)
    orders = {
        "createdAt": "Bb Aa Cc",
        "email": "Cc Aa Bb",
        "fullName": "Aa Bb Cc",
        "lastLoginAt": "Bb Aa Cc",
    }
    for sort, names in orders.items():
        for prefix, expected in (("", names.split()), ("-", names.split()[::-1])):
            reply = await app.http.get(
                "/internal/users", params={"search": mark, "sort": prefix + sort}, headers=admin.bearer
            )
            assert [user["fullName"][:2] for user in reply.json()["data"]["users"]] == expected, prefix + sort


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sort", "password_hash"),
        ("sort", "createdAt; --"),
        ("approvalStatus", "MAYBE"),
        ("isActive", "perhaps"),
        ("globalRole", "none"),
        ("authProvider", "x"),
        ("companyId", "not-a-uuid"),
        ("search", "x" * 201),
        ("search", "a\x00b"),
    ],
)
async def test_a_faulty_filter_is_named(app: Harness, admin: Person, name: str, value: str) -> None:
    reply = await app.http.get("/internal/users", params={name: value}, headers=admin.bearer)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["code"] == "validation_error"
    assert reply.json()["error"]["details"]["fields"][0]["field"] == name


# --- read -----------------------------------------------------------------------------------------------------------


async def test_staff_read_every_membership_and_company_administrators_only_their_own(
    app: Harness, admin: Person
) -> None:
    company, elsewhere = uuid4(), uuid4()
    owner, member = await app.signed_in(), await app.make_user()
    await app.join(owner, company, "OWNER")
    for place in (company, elsewhere):
        await app.join(member, place, "MEMBER")
        await app.join_unit(member, place, uuid4(), "MANAGER")
    full = (await app.http.get(f"/internal/users/{member.id}", headers=admin.bearer)).json()["data"]["user"]
    part = (await app.http.get(f"/internal/users/{member.id}", headers=owner.bearer)).json()["data"]["user"]
    assert full.keys() == part.keys() == USER_FIELDS | {"companyMemberships", "businessUnitMemberships"}
    for kind in ("companyMemberships", "businessUnitMemberships"):
        assert {m["companyId"] for m in full[kind]} == {str(company), str(elsewhere)}
        assert {m["companyId"] for m in part[kind]} == {str(company)}
    assert full["companyMemberships"][0].keys() == {"id", "companyId", "role", "isActive", "createdAt", "updatedAt"}


@pytest.mark.parametrize("bad", ["x", "0199", "019900000000700080000000000000001", "%00"])
async def test_a_malformed_id_is_a_400(app: Harness, admin: Person, bad: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        reply = await app.http.request(
            method,
            f"/internal/users/{bad}",
            headers=admin.bearer,
            json={"fullName": "A"} if method == "PATCH" else None,
        )
        assert reply.status_code == 400, (method, reply.text)
        assert reply.json()["error"]["details"]["fields"][0]["field"] == "id"


# --- create ---------------------------------------------------------------------------------------------------------


async def test_a_created_account_can_sign_in_and_is_welcomed(app: Harness, admin: Person) -> None:
    email = fresh_email()
    body = {"email": f"  {email.upper()} ", "password": "a long enough one", "fullName": " Ada Lovelace "}
    reply = await app.http.post("/internal/users", json=body, headers=admin.bearer)
    assert reply.status_code == 201, reply.text
    user = reply.json()["data"]["user"]
    assert reply.json()["data"].keys() == {"user"}
    assert user.keys() == USER_FIELDS
    assert (user["email"], user["fullName"], user["globalRole"]) == (email, "Ada Lovelace", "NONE")
    assert (user["isActive"], user["approvalStatus"], user["authProvider"]) == (True, "APPROVED", "password")
    assert (user["phoneNumber"], user["emailVerified"], user["tokenVersion"]) == (None, False, 1)
    person = Person(UUID(user["id"]), email, "a long enough one")
    await app.sign_in(person)
    assert await templates(app, email) == ["admin_welcome"]
    [entry] = await app.audit("user.created", target_user_id=person.id)
    assert (entry["actor_user_id"], entry["actor_type"], entry["outcome"]) == (admin.id, "user", "success")
    assert "a long enough one" not in str(entry)


async def test_an_address_is_taken_whatever_its_case(app: Harness, admin: Person) -> None:
    taken = await app.make_user()
    body = {"email": taken.email.upper(), "password": "a long enough one", "fullName": "B"}
    reply = await app.http.post("/internal/users", json=body, headers=admin.bearer)
    assert reply.status_code == 409
    assert reply.json()["error"]["code"] == "conflict"


async def test_of_many_creations_with_one_address_one_succeeds(app: Harness, admin: Person) -> None:
    body = {"email": fresh_email(), "password": "a long enough one", "fullName": "Race"}
    replies = await asyncio.gather(
        *(app.http.post("/internal/users", json=body, headers=admin.bearer) for _ in range(20))
    )
    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 19


async def test_an_account_of_another_provider_has_no_password(app: Harness, admin: Person) -> None:
    for extra in ({}, {"password": "a long enough one"}):
        body = {"email": fresh_email(), "fullName": "C", "authProvider": "google", **extra}
        reply = await app.http.post("/internal/users", json=body, headers=admin.bearer)
        assert reply.status_code == 201, reply.text
        assert (await row(app, UUID(reply.json()["data"]["user"]["id"])))["password_hash"] is None
    login = {"email": body["email"], "password": "a long enough one"}
    assert (await app.http.post("/auth/login", json=login)).status_code == 401


GOOD = {"email": "good@example.com", "password": "a long enough one", "fullName": "Good"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b.example.com\n"}, None),
        ({"email": "x" * 250 + "@example.com"}, "email"),
        ({"email": None}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "password123"}, "password"),
        ({"password": "good@example.com"}, "password"),
        ({"password": "x" * 257}, "password"),
        ({"password": 12345678}, "password"),
        ({"password": None}, "password"),
        ({"fullName": ""}, "fullName"),
        ({"fullName": "a\x07b"}, "fullName"),
        ({"fullName": "x" * 201}, "fullName"),
        ({"globalRole": "ROOT"}, "globalRole"),
        ({"isActive": "true"}, "isActive"),
        ({"approvalStatus": "MAYBE"}, "approvalStatus"),
        ({"authProvider": "ldap"}, "authProvider"),
        ({"phoneNumber": "call me"}, "phoneNumber"),
        ({"profilePictureUrl": "javascript:alert(1)"}, "profilePictureUrl"),
        ({"profilePictureUrl": "http://[::1"}, "profilePictureUrl"),
        ({"profilePictureUrl": "https://example.com:http/a.png"}, "profilePictureUrl"),
        ({"profilePictureUrl": "https://:443/a.png"}, "profilePictureUrl"),
        ({"profilePictureUrl": 'https://example.com/"><b>'}, "profilePictureUrl"),
        ({"profilePictureUrl": "https://example.com/\u202egnp.a"}, "profilePictureUrl"),
    ],
)
async def test_a_faulty_field_of_a_new_account_is_named(
    app: Harness, admin: Person, change: dict[str, Any], field: str | None
) -> None:
    body = {**GOOD, **change}
    if field is None:
        body["email"] = fresh_email() + "\n"  # surrounding white space is trimmed
    reply = await app.http.post("/internal/users", json=body, headers=admin.bearer)
    if field is None:
        assert reply.status_code == 201
        return
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["code"] == "validation_error"
    assert field in {fault["field"] for fault in error["details"]["fields"]}


async def test_every_fault_is_told_at_once(app: Harness, admin: Person) -> None:
    reply = await app.http.post("/internal/users", json={"email": 1, "isActive": 2}, headers=admin.bearer)
    fields = [fault["field"] for fault in reply.json()["error"]["details"]["fields"]]
    assert set(fields) >= {"email", "isActive", "fullName"}


# --- change ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "fields", "ends", "expected_events", "expected_mails"),
    [
        ({}, {"password": "another good one"}, True, ["user.password_changed"], ["password_changed"]),
        ({}, {"globalRole": "PLATFORM_MODERATOR"}, True, ["user.global_role_changed"], []),
        ({}, {"isActive": False}, True, ["user.deactivated"], ["account_deactivated"]),
        ({}, {"approvalStatus": "REJECTED"}, True, ["user.rejected"], ["account_rejected"]),
        ({}, {"approvalStatus": "PENDING"}, True, ["user.updated"], []),
        ({}, {"authProvider": "microsoft"}, True, ["user.password_changed", "user.updated"], []),
        ({"is_active": False}, {"isActive": True}, False, ["user.reactivated"], []),
        (
            {"approval_status": "PENDING", "is_active": False},
            {"approvalStatus": "APPROVED"},
            False,
            ["user.approved"],
            ["account_approved"],
        ),
        (
            {"approval_status": "PENDING", "is_active": False},
            {"approvalStatus": "APPROVED", "isActive": True},
            False,
            ["user.approved"],
            ["account_approved"],
        ),
        (
            {"approval_status": "REJECTED"},
            {"approvalStatus": "APPROVED"},
            False,
            ["user.approved"],
            ["account_approved"],
        ),
        ({}, {"fullName": "New Name", "phoneNumber": "+65 1234 5678"}, False, ["user.updated"], []),
        ({}, {"fullName": "Test Person", "globalRole": "NONE", "isActive": True}, False, [], []),
        (
            {},
            {"approvalStatus": "REJECTED", "isActive": False, "fullName": "Z"},
            True,
            ["user.rejected", "user.deactivated", "user.updated"],
            ["account_deactivated", "account_rejected"],
        ),
    ],
)
async def test_a_change_entails_what_the_contract_says(
    app: Harness,
    admin: Person,
    before: dict[str, Any],
    fields: dict[str, Any],
    ends: bool,
    expected_events: list[str],
    expected_mails: list[str],
) -> None:
    target = await app.signed_in()
    for column, value in before.items():
        await app.db.execute(f"UPDATE users SET {column} = $2 WHERE id = $1", target.id, value)
    await app.db.execute(
        "INSERT INTO one_time_tokens (token_hash, purpose, user_id, created_at, expires_at)"
        " VALUES ($1, 'password_reset', $2, now(), now() + interval '1 hour')",
        secrets.token_bytes(32),
        target.id,
    )
    reply = await patch(app, admin, target, **fields)
    assert reply.status_code == 200, reply.text
    user = reply.json()["data"]["user"]
    assert user.keys() == USER_FIELDS
    for name, value in fields.items():
        assert name == "password" or user[name] == value
    assert user["tokenVersion"] == (2 if ends else 1)
    sessions = "SELECT count(*) FROM sessions WHERE user_id = $1 AND revoked_at IS NULL"
    tokens = "SELECT count(*) FROM one_time_tokens WHERE user_id = $1 AND consumed_at IS NULL"
    assert await app.db.fetchval(sessions, target.id) == (0 if ends else 1)
    assert await app.db.fetchval(tokens, target.id) == (0 if ends else 1)
    assert sorted(await events(app, target)) == sorted(expected_events)
    assert sorted(await templates(app, target.email)) == expected_mails
    if ends:
        me = await app.http.get("/auth/me", headers=target.bearer)
        assert (me.status_code, me.json()["error"]["code"]) == (401, "session_revoked")
        again = await app.http.post("/auth/refresh", json={"refreshToken": target.refresh_token})
        assert again.status_code == 401


async def test_approval_of_a_registration_activates_it(app: Harness, admin: Person) -> None:
    target = await app.make_user(approval_status="PENDING", is_active=False)
    reply = await patch(app, admin, target, approvalStatus="APPROVED")
    assert reply.json()["data"]["user"]["isActive"] is True
    await app.sign_in(target)


async def test_staff_may_approve_without_activating(app: Harness, admin: Person) -> None:
    target = await app.make_user(approval_status="PENDING", is_active=False)
    user = (await patch(app, admin, target, approvalStatus="APPROVED", isActive=False)).json()["data"]["user"]
    assert (user["approvalStatus"], user["isActive"]) == ("APPROVED", False)


async def test_a_new_address_is_unverified_and_the_old_one_signs_in_no_more(app: Harness, admin: Person) -> None:
    target, email = await app.signed_in(), fresh_email()
    user = (await patch(app, admin, target, email=email.upper())).json()["data"]["user"]
    assert (user["email"], user["emailVerified"], user["tokenVersion"]) == (email, False, 2)
    assert await events(app, target) == ["user.email_changed"]
    old = await app.http.post("/auth/login", json={"email": target.email, "password": target.password})
    assert old.status_code == 401
    target.email = email
    await app.sign_in(target)


async def test_a_taken_address_changes_nothing(app: Harness, admin: Person) -> None:
    target, other = await app.make_user(), await app.make_user()
    before = await row(app, target.id)
    reply = await patch(app, admin, target, email=other.email, fullName="Changed")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "conflict")
    assert await row(app, target.id) == before
    assert await events(app, target) == []


async def test_null_clears_the_two_nullable_fields_and_no_other(app: Harness, admin: Person) -> None:
    target = await app.make_user(phone_number="+1 222 333", profile_picture_url="https://example.com/a.png")
    user = (await patch(app, admin, target, phoneNumber=None, profilePictureUrl=None)).json()["data"]["user"]
    assert (user["phoneNumber"], user["profilePictureUrl"]) == (None, None)
    others = ("email", "password", "fullName", "globalRole", "isActive", "approvalStatus", "authProvider")
    for name in others:
        reply = await patch(app, admin, target, **{name: None})
        assert reply.status_code == 400, name
        assert reply.json()["error"]["details"]["fields"][0]["field"] == name


@pytest.mark.parametrize("body", [b"{}", b'{"unknown": 1}', b"[]", b"null", b"{", b'"x"'])
async def test_a_change_of_nothing_is_a_400(app: Harness, admin: Person, body: bytes) -> None:
    target = await app.make_user()
    reply = await app.http.patch(
        f"/internal/users/{target.id}",
        content=body,
        headers={**admin.bearer, "content-type": "application/json"},
    )
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["code"] == "validation_error"


async def test_hidden_fields_cannot_be_written(app: Harness, admin: Person) -> None:
    """CVE-2025-13881: what the response shows, or the table holds, is not therefore writable."""
    target = await app.make_user()
    hidden = {"id": str(uuid4()), "tokenVersion": 99, "emailVerified": False, "mfaEnabled": True, "legacyIds": {"a": 1}}
    reply = await patch(app, admin, target, fullName="Only This", **hidden, passwordHash="x", password_hash="x")
    user = reply.json()["data"]["user"]
    assert (user["fullName"], user["tokenVersion"], user["emailVerified"]) == ("Only This", 1, True)
    assert (user["mfaEnabled"], user["legacyIds"], user["id"]) == (False, {}, str(target.id))


async def test_the_ids_of_a_body_never_choose_the_account(app: Harness, admin: Person) -> None:
    """CVE-2025-61928: the account is the one of the path."""
    target, bystander = await app.make_user(), await app.make_user()
    before = await row(app, bystander.id)
    await patch(app, admin, target, id=str(bystander.id), userId=str(bystander.id), fullName="Path")
    assert (await row(app, target.id))["full_name"] == "Path"
    assert await row(app, bystander.id) == before


async def test_audit_rows_name_fields_and_never_values(app: Harness, admin: Person) -> None:
    target, email = await app.make_user(), fresh_email()
    await patch(app, admin, target, password="a very secret word", email=email, fullName="Private Name", isActive=False)
    entries = await app.audit(target_user_id=target.id)
    text = " ".join(str(entry) for entry in entries)
    assert "a very secret word" not in text
    assert email not in text
    assert "Private Name" not in text
    assert '"isActive": {"to": false, "from": true}' in text or '"isActive":{"from":true,"to":false}' in text


async def test_a_wrong_password_policy_is_told_before_anything_changes(app: Harness, admin: Person) -> None:
    target = await app.make_user()
    reply = await patch(app, admin, target, password="short", fullName="Never")
    assert reply.status_code == 400
    assert reply.json()["error"]["details"]["fields"][0]["field"] == "password"
    assert (await row(app, target.id))["full_name"] == "Test Person"


async def test_the_unauthorised_get_no_password_hashed(app: Harness) -> None:
    caller, target = await app.signed_in(), await app.make_user()
    before = app.app.engines.passwords.stats.finished
    reply = await patch(app, caller, target, password="a long enough one")
    body = {"email": fresh_email(), "password": "a long enough one", "fullName": "X"}
    created = await app.http.post("/internal/users", json=body, headers=caller.bearer)
    assert (reply.status_code, created.status_code) == (403, 403)
    assert app.app.engines.passwords.stats.finished == before


async def test_a_caller_demoted_meanwhile_changes_nothing(app: Harness) -> None:
    """Roles are read again on locked rows: the request passes the first check, then waits for the demotion."""
    caller = await app.signed_in(global_role="PLATFORM_ADMIN")
    target = await app.make_user()
    async with app.db.transaction() as tx:
        await tx.execute("UPDATE users SET global_role = 'NONE' WHERE id = $1", caller.id)
        waiting = asyncio.create_task(patch(app, caller, target, fullName="Too late"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    reply = await waiting
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
    assert (await row(app, target.id))["full_name"] == "Test Person"


async def test_a_target_promoted_meanwhile_is_left_alone(app: Harness) -> None:
    caller = await app.signed_in(global_role="PLATFORM_ADMIN")
    target = await app.make_user()
    async with app.db.transaction() as tx:
        await tx.execute("UPDATE users SET global_role = 'PLATFORM_SUPERADMIN' WHERE id = $1", target.id)
        waiting = asyncio.create_task(app.http.delete(f"/internal/users/{target.id}", headers=caller.bearer))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert (await waiting).status_code == 403
    assert (await row(app, target.id))["is_active"] is True


# --- delete ---------------------------------------------------------------------------------------------------------


async def test_delete_deactivates_once_and_may_be_repeated(app: Harness, admin: Person) -> None:
    target = await app.signed_in()
    for _ in range(2):
        reply = await app.http.delete(f"/internal/users/{target.id}", headers=admin.bearer)
        assert reply.status_code == 200, reply.text
        user = reply.json()["data"]["user"]
        assert user.keys() == USER_FIELDS
        assert (user["isActive"], user["tokenVersion"]) == (False, 2)
    assert await events(app, target) == ["user.deleted"]
    assert await templates(app, target.email) == ["account_deactivated"]
    assert (await app.http.get("/auth/me", headers=target.bearer)).status_code == 401
    login = await app.http.post("/auth/login", json={"email": target.email, "password": target.password})
    assert (login.status_code, login.json()["error"]["code"]) == (403, "account_inactive")


@pytest.mark.parametrize("how", ["delete", "deactivate", "reject", "unapprove"])
async def test_the_last_active_owner_of_a_company_stays(app: Harness, admin: Person, how: str) -> None:
    company, owner, second = uuid4(), await app.make_user(), await app.make_user()
    await app.join(owner, company, "OWNER")
    await app.join(second, company, "OWNER", is_active=False)

    async def remove() -> Any:
        if how == "delete":
            return await app.http.delete(f"/internal/users/{owner.id}", headers=admin.bearer)
        fields = {
            "deactivate": {"isActive": False},
            "reject": {"approvalStatus": "REJECTED"},
            "unapprove": {"approvalStatus": "PENDING"},
        }[how]
        return await patch(app, admin, owner, **fields)

    reply = await remove()
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "conflict")
    assert await events(app, owner) == []
    await app.join(second, company, "OWNER")
    assert (await remove()).status_code == 200


async def test_two_owners_deactivated_at_once_leave_one(app: Harness, admin: Person) -> None:
    for _ in range(5):
        company, owners = uuid4(), [await app.make_user() for _ in range(2)]
        for owner in owners:
            await app.join(owner, company, "OWNER")
        replies = await asyncio.gather(*(patch(app, admin, owner, isActive=False) for owner in owners))
        assert sorted(reply.status_code for reply in replies) == [200, 409]
