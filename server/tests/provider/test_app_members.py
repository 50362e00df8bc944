"""/api/apps/{id}/users and /api/apps/{id}/service/users: the people of an application."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from harness import Harness
from provider.applications import App, application
from provider.callers import MANAGE, administrator, bearer, member, number_of, service_token, user_token

from identry.records import users


def users_of(made: App, rest: str = "") -> str:
    return f"{MANAGE}/api/apps/{made.client.number}/users{rest}"


def service_of(made: App, rest: str = "") -> str:
    return f"{MANAGE}/api/apps/{made.client.number}/service/users{rest}"


def address() -> str:
    return f"m-{secrets.token_hex(6)}@example.com"


async def app_with_admin(app: Harness) -> tuple[App, dict[str, str]]:
    """An application, and the header of one of its administrators, signed in there."""
    made = await application(app, grant_types=["client_credentials", "authorization_code", "refresh_token"])
    admin = await member(app, made, "admin")
    return made, bearer(await user_token(app, admin, made.client))


async def test_a_member_is_added_read_changed_and_taken_out(app: Harness) -> None:
    made, headers = await app_with_admin(app)
    email = address()
    added = await app.http.post(
        users_of(made), json={"email": email.upper(), "role": "viewer", "name": "Bob"}, headers=headers
    )
    assert added.status_code == 201, added.text
    result = added.json()
    assert {"user_id", "invite_token", "role", "email_sent"} == result.keys()
    assert (result["role"], result["email_sent"]) == ("viewer", True)
    (mail,) = await app.mails(email)
    assert mail["template"] == "app_invitation"
    assert mail["links"][0] == f"https://auth.example.com/invite?token={result['invite_token']}"
    assert "Reports" in mail["subject"]

    one = users_of(made, f"/{result['user_id']}")
    shown = (await app.http.get(one, headers=headers)).json()
    assert {**shown, "created_at": ""} == {
        "id": result["user_id"], "email": email, "name": "Bob", "role": "viewer", "is_verified": False,
        "invite_sent": True, "created_at": "",
    }  # fmt: skip
    changed = await app.http.put(one, json={"role": "editor"}, headers=headers)
    assert (changed.status_code, changed.json()) == (200, {"role": "editor"})
    assert (await app.http.get(one, headers=headers)).json()["role"] == "editor"
    assert (await app.http.post(f"{one}/resend-verification", headers=headers)).json() == {"message": "sent"}
    assert [mail["template"] for mail in await app.mails(email)] == ["app_invitation"] * 2
    assert (await app.http.post(f"{one}/reset-password", headers=headers)).status_code == 200
    assert (await app.http.delete(one, headers=headers)).status_code == 204
    for reply in (await app.http.get(one, headers=headers), await app.http.delete(one, headers=headers)):
        assert (reply.status_code, reply.json()) == (404, {"error": "user not found"})
    rows = await app.db.fetch(
        "SELECT event FROM auth_audit_logs WHERE details->>'client' = $1 AND event LIKE 'app.member%' ORDER BY id",
        made.client.client_id,
    )
    assert [row[0].removeprefix("app.member.") for row in rows] == ["added", "role_changed", "mail_resent", "removed"]


async def test_who_has_an_account_gets_the_role_and_no_invitation(app: Harness) -> None:
    made, headers = await app_with_admin(app)
    person = await app.make_user()
    body = {"email": person.email, "role": "manager"}
    first = await app.http.post(users_of(made), json=body, headers=headers)
    assert (first.status_code, first.json()) == (
        201, {"user_id": await number_of(app, person), "invite_token": "", "role": "manager", "email_sent": False},
    )  # fmt: skip
    again = await app.http.post(users_of(made), json=body, headers=headers)
    assert (again.status_code, again.json()) == (409, {"error": "user already has a role in this application"})
    assert await app.mails(person.email) == []


async def test_a_new_account_opens_nothing_before_its_invitation_is_accepted(app: Harness) -> None:
    made, headers = await app_with_admin(app)
    email = address()
    token = (await app.http.post(users_of(made), json={"email": email, "role": "user"}, headers=headers)).json()
    user = await users.find_by_email(app.db, email)
    assert user is not None
    assert (user.password_hash, user.email_verified, user.full_name) == (None, False, email)
    stored = await app.db.fetchval("SELECT count(*) FROM one_time_tokens t WHERE t::text LIKE '%' || $1 || '%'",
                                   token["invite_token"])  # fmt: skip
    assert stored == 0
    opened = await app.http.get("/api/auth/invite", params={"token": token["invite_token"]})
    assert (opened.status_code, opened.json()["email"]) == (200, email)


async def test_what_cannot_be_added_is_refused_in_words(app: Harness) -> None:
    made, headers = await app_with_admin(app)
    platform = await app.make_user(global_role="PLATFORM_ADMIN")
    for body, status, words in (
        ({"email": address(), "role": "emperor"}, 400, "invalid role"),
        ({"email": address()}, 400, "role"),
        ({"email": "nobody", "role": "user"}, 400, "email"),
        ({"email": platform.email, "role": "user"}, 403, "administrators of the platform"),
    ):
        for path, header in ((users_of(made), headers), (service_of(made), bearer(await service_token(app, made)))):
            reply = await app.http.post(path, json=body, headers=header)
            assert (reply.status_code, words in reply.json()["error"]) == (status, True), reply.text


async def test_members_come_by_page_and_by_search(app: Harness) -> None:
    made, headers = await app_with_admin(app)
    mark = secrets.token_hex(4)
    people = [await member(app, made, "user", full_name=f"Zoe {mark} {i}") for i in range(5)]
    for params, expected, size in (
        ({"search": mark, "page": "2", "page_size": "2"}, people[2:4], 2),
        ({"search": mark.upper(), "page": "4", "page_size": "2"}, [], 2),
        ({"search": mark, "page_size": "101"}, people, 20),
        ({"search": mark, "page": "x", "page_size": "0"}, people, 20),
        ({"search": people[0].email}, people[:1], 20),
        ({"search": "%"}, [], 20),
    ):
        body = (await app.http.get(users_of(made), params=params, headers=headers)).json()
        assert [user["email"] for user in body["users"]] == [person.email for person in expected], params
        assert body["page_size"] == size
    everybody = (await app.http.get(users_of(made), headers=headers)).json()
    assert (everybody["total_count"], len(everybody["users"])) == (6, 6)


async def test_who_may_do_what_to_members(app: Harness) -> None:
    made, _ = await app_with_admin(app)
    other, others_admin = await app_with_admin(app)
    target = await member(app, made, "user")
    one = users_of(made, f"/{await number_of(app, target)}")
    admin_of_both = await member(app, made, "admin")
    headers = {
        "manager": bearer(await user_token(app, await member(app, made, "manager"), made.client)),
        "viewer": bearer(await user_token(app, await member(app, made, "viewer"), made.client)),
        "another's admin": others_admin,
        "admin by another's application": bearer(await user_token(app, admin_of_both, other.client)),
        "platform": (await administrator(app, "PLATFORM_ADMIN"))[1],
        "service": bearer(await service_token(app, made)),
        "another's service": bearer(await service_token(app, other)),
        "nobody": {},
    }
    expected: dict[str, list[int]] = {  # list, read, role, add, remove
        "manager": [200, 200, 403, 403, 403],
        "viewer": [403, 403, 403, 403, 403],
        "another's admin": [403, 403, 403, 403, 403],
        "admin by another's application": [403, 403, 403, 403, 403],
        "another's service": [401, 403, 401, 403, 401],
        "nobody": [401, 401, 401, 401, 401],
        "service": [401, 200, 401, 201, 401],
        "platform": [200, 200, 200, 201, 204],
    }
    for who, statuses in expected.items():
        new = {"email": address(), "role": "user"}
        calls: list[tuple[str, str, Any]] = [
            ("GET", users_of(made), None), ("GET", one, None), ("PUT", one, {"role": "viewer"}),
            ("POST", users_of(made), new), ("DELETE", one, None),
        ]  # fmt: skip
        found = [(await app.http.request(m, p, json=b, headers=headers[who])).status_code for m, p, b in calls]
        assert found == statuses, who
        if who != "platform":
            kept = "SELECT role FROM app_members WHERE user_id = $1 AND client_id = $2"
            left = await app.db.fetchval(kept, target.id, made.client.id)
            assert left == "user"
            assert ((await users.find_by_email(app.db, new["email"])) is not None) == (statuses[3] == 201)


async def test_nobody_takes_themselves_out(app: Harness) -> None:
    made = await application(app)
    admin = await member(app, made, "admin")
    headers = bearer(await user_token(app, admin, made.client))
    reply = await app.http.delete(users_of(made, f"/{await number_of(app, admin)}"), headers=headers)
    assert (reply.status_code, reply.json()) == (400, {"error": "you cannot remove yourself"})


async def test_who_is_taken_out_loses_the_tokens_of_that_application_alone(app: Harness) -> None:
    made, headers = await app_with_admin(app)
    other = await application(app)
    person = await member(app, made, "admin")
    here, there = await user_token(app, person, made.client), await user_token(app, person, other.client)
    assert (
        await app.http.delete(users_of(made, f"/{await number_of(app, person)}"), headers=headers)
    ).status_code == 204
    assert (await app.http.get(users_of(made), headers=bearer(here))).status_code == 401
    assert (await app.http.get(f"{MANAGE}/api/admin/apps", headers=bearer(there))).status_code == 200


async def test_a_service_is_judged_in_the_order_of_the_contract(app: Harness) -> None:
    made, user_headers = await app_with_admin(app)
    other = await application(app, grant_types=["client_credentials"])
    header = bearer(await service_token(app, made))
    stranger = await number_of(app, await app.make_user())
    for path, headers, status in (
        (f"{MANAGE}/api/apps/x/service/users/1", {}, 401),
        (f"{MANAGE}/api/apps/x/service/users/1", {"Authorization": "Bearer forged"}, 401),
        (f"{MANAGE}/api/apps/x/service/users/1", user_headers, 403),
        (f"{MANAGE}/api/apps/x/service/users/1", header, 400),
        (service_of(other, "/1"), header, 403),
        (service_of(made, "/x"), header, 400),
        (service_of(made, f"/{stranger}"), header, 404),
        (service_of(made, "/999999999"), header, 404),
    ):
        reply = await app.http.get(path, headers=headers)
        assert reply.status_code == status, (path, reply.text)
        assert isinstance(reply.json()["error"], str)
    await app.db.execute("UPDATE clients SET is_active = false WHERE id = $1", made.client.id)
    assert (await app.http.get(service_of(made, "/1"), headers=header)).status_code == 401


async def test_the_application_itself_adds_reads_and_changes_its_members(app: Harness) -> None:
    made, _ = await app_with_admin(app)
    header = bearer(await service_token(app, made))
    added = (await app.http.post(service_of(made), json={"email": address(), "role": "admin"}, headers=header)).json()
    one = service_of(made, f"/{added['user_id']}")
    shown = (await app.http.get(one, headers=header)).json()
    assert (shown["token_version"], shown["locked"], shown["role"]) == (1, False, "admin")
    fields = {"name": "Ada", "department": "Sales", "avatar_url": "https://e.com/a.png", "phone": "+1 555 1"}
    changed = await app.http.patch(one, json=fields, headers=header)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["name"], changed.json()["avatar_url"]) == ("Ada", "https://e.com/a.png")
    cleared = (await app.http.patch(one, json={"avatar_url": ""}, headers=header)).json()
    assert "avatar_url" not in cleared
    for fields, words in (
        ({}, "nothing to change"),
        ({"avatar_url": "javascript:alert(1)"}, "avatar_url"),
        ({"avatar_url": "http://e.com/a.png"}, "avatar_url"),
        ({"name": " "}, "name"),
        ({"phone": "call me"}, "phone"),
        ({"email": "new@example.com"}, "nothing to change"),
    ):
        refused = await app.http.patch(one, json=fields, headers=header)
        assert (refused.status_code, words in refused.json()["error"]) == (400, True), refused.text
    rows = await app.audit("user.profile_changed", actor_type="machine")
    assert any(made.client.client_id in (row["details"] or "") for row in rows)


async def test_of_many_who_add_one_address_at_once_one_does(app: Harness) -> None:
    made, _ = await app_with_admin(app)
    header, email = bearer(await service_token(app, made)), address()
    body = {"email": email, "role": "user"}
    replies = await asyncio.gather(*(app.http.post(service_of(made), json=body, headers=header) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 19
    assert len(await app.mails(email)) == 1
