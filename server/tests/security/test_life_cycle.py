"""The end of an account, a session, a password or an address ends everything that hung on it (docs/security.md)."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import uuid4

import pytest
from harness import PASSWORD, Harness, Person
from letters import letters
from offers import accept, offer
from resets import confirm, mailed_token
from second_factor import secured, ticket_for, verify


async def uses_of(app: Harness, person: Person) -> dict[str, Any]:
    """Every way to act as this person that a token gives; name → answer."""
    refresh = {"refreshToken": person.refresh_token}
    headers = {"X-Forwarded-For": app.fresh_ip()}
    return {
        "me": await app.http.get("/auth/me", headers=person.bearer),
        "access": await app.http.get("/auth/me/access", headers={**person.bearer, "x-org": str(uuid4())}),
        "logout-all": await app.http.post("/auth/logout-all", headers=person.bearer),
        "users": await app.http.get("/internal/users", headers=person.bearer),
        "refresh": await app.http.post("/auth/refresh", json=refresh, headers=headers),
    }


def assert_all_refused(answers: dict[str, Any]) -> None:
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 401)


async def _patch(app: Harness, person: Person, **fields: Any) -> None:
    admin = await app.signed_in(global_role="PLATFORM_SUPERADMIN")
    reply = await app.http.patch(f"/internal/users/{person.id}", json=fields, headers=admin.bearer)
    assert reply.status_code == 200, reply.text


ENDS: dict[str, dict[str, Any]] = {
    "deactivated": {"isActive": False},
    "rejected": {"approvalStatus": "REJECTED"},
    "new-password": {"password": "quite another passphrase"},
    "new-address": {"email": ""},
    "new-role": {"globalRole": "PLATFORM_MODERATOR"},
}


@pytest.mark.parametrize("name", ENDS)
async def test_row_21_22_26_every_token_of_before_is_refused(app: Harness, name: str) -> None:
    person = await app.signed_in()
    other_session = await app.sign_in(Person(person.id, person.email, PASSWORD))
    change = dict(ENDS[name])
    if "email" in change:
        change["email"] = f"moved-{secrets.token_hex(5)}@example.com"
    await _patch(app, person, **change)
    assert_all_refused(await uses_of(app, person))
    assert_all_refused(await uses_of(app, other_session))


@pytest.mark.parametrize("name", ["deactivated", "rejected", "new-password", "new-address"])
async def test_row_22_26_mail_and_tickets_of_before_are_dead(app: Harness, name: str) -> None:
    owner = await secured(app)
    ticket = await ticket_for(app, owner.person)
    reset = await mailed_token(app, owner.person)
    change = dict(ENDS[name])
    if "email" in change:
        change["email"] = f"moved-{secrets.token_hex(5)}@example.com"
    await _patch(app, owner.person, **change)
    assert (await verify(app, ticket, owner.code(app))).status_code in {401, 403}
    assert (await confirm(app, reset)).status_code == 400


async def test_row_22_a_deactivated_user_joins_by_no_invitation(app: Harness) -> None:
    person = await app.make_user()
    invitation = await offer(app, email=person.email)
    await _patch(app, person, isActive=False)
    reply = await accept(app, invitation.token)
    assert reply.status_code == 403, reply.text


async def test_row_20_ending_one_session_ends_that_one(app: Harness) -> None:
    person = await app.signed_in()
    others = [await app.sign_in(Person(person.id, person.email, PASSWORD)) for _ in range(3)]
    victim = others.pop(1)
    key = {"X-Internal-API-Key": app.env["INTERNAL_API_KEY"]}
    reply = await app.http.post(f"/internal/sessions/{victim.session_id}/revoke", headers=key)
    assert reply.status_code == 200
    assert (await app.http.get("/auth/me", headers=victim.bearer)).status_code == 401
    for alive in (person, *others):
        assert (await app.http.get("/auth/me", headers=alive.bearer)).status_code == 200


async def test_row_24_a_membership_that_ended_is_gone_at_once_with_its_units(app: Harness) -> None:
    person, company, unit = await app.signed_in(), uuid4(), uuid4()
    await app.join(person, company, "MANAGER")
    await app.join_unit(person, company, unit, "ADMIN")
    await app.join(person, company, "MANAGER", is_active=False)
    x_org = {**person.bearer, "x-org": str(company)}
    assert (await app.http.get("/auth/me/access", headers=x_org)).status_code == 403
    for path in (f"/internal/companies/{company}/users", f"/internal/companies/{company}/business-units/{unit}/users"):
        assert (await app.http.get(path, headers=person.bearer)).status_code == 403
    me = (await app.http.get("/auth/me", headers=person.bearer)).json()["data"]
    assert [m["isActive"] for m in me["companyMemberships"]] == [False]


async def test_row_31_a_reset_changes_its_owners_password_whatever_else_is_sent(app: Harness) -> None:
    owner, victim = await app.make_user(), await app.make_user()
    token = await mailed_token(app, owner)
    body = {
        "token": token,
        "newPassword": "a brand new passphrase",
        "email": victim.email,
        "userId": str(victim.id),
        "user_id": str(victim.id),
    }
    query = f"?email={victim.email}&userId={victim.id}"
    reply = await app.http.post(f"/auth/password-reset/confirm{query}", json=body)
    assert reply.status_code == 200
    await app.sign_in(victim)
    await app.sign_in(Person(owner.id, owner.email, "a brand new passphrase"))


async def test_row_33_a_token_of_one_kind_opens_no_door_of_another(app: Harness) -> None:
    person = await app.signed_in()
    owner = await secured(app, codes=True)
    invitation = await offer(app)
    kinds = {
        "access": person.access_token,
        "refresh": person.refresh_token,
        "reset": await mailed_token(app, person),
        "ticket": await ticket_for(app, owner.person),
        "invitation": invitation.token,
        "recovery": owner.codes[0],
        "totp": owner.code(app),
        "machine": app.env["INTERNAL_API_KEY"],
        "session-id": person.session_id,
    }

    async def at(door: str, token: str) -> Any:
        address = {"X-Forwarded-For": app.fresh_ip()}
        post = app.http.post
        match door:
            case "access":
                return await app.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
            case "refresh":
                return await post("/auth/refresh", json={"refreshToken": token}, headers=address)
            case "reset":
                return await confirm(app, token)
            case "ticket":
                return await verify(app, token, "000000")
            case "invitation":
                return await accept(app, token)
            case "invitation-look":
                return await app.http.get(f"/auth/invitations/{token}")
            case _:
                headers = {"X-Internal-API-Key": token}
                return await app.http.get(f"/internal/users/{person.id}/context", headers=headers)

    doors = ("access", "refresh", "reset", "ticket", "invitation", "invitation-look", "machine")
    others = [(kind, door) for kind in kinds for door in doors if kind != door.partition("-")[0]]
    opened = [pair for pair in others if (await at(pair[1], kinds[pair[0]])).status_code not in {400, 401, 404}]
    assert not opened
    for kind in ("access", "invitation", "machine", "refresh", "reset"):
        assert (await at(kind, kinds[kind])).status_code == 200, kind


PAIRS = [
    ("mike@example.org", "mıke@example.org"),  # dotless i
    ("mike@example.org", "mike@exampłe.org"),
    ("kate@example.org", "\u212aate@example.org"),  # KELVIN SIGN folds to k
    ("straße@example.org", "strasse@example.org"),
    ("admin@example.org", "admin@example.org\u200b"),
    ("admin@example.org", "ad\u00admin@example.org"),
    ("admin@example.org", "\uff41dmin@example.org"),  # full width
    ("admin@example.org", "admin\u0000@example.org"),
    ("admin@example.org", "admin@example.org\n"),
    ("admin@example.org", '"admin"@example.org'),
    ("admin@example.org", "admin@example.org,evil@example.net"),
    ("admin@example.org", "admin@example.org evil@example.net"),
    ("admin@example.org", "admin@EXAMPLE.org."),
    ("admin@example.org", "admin@[127.0.0.1]"),
    ("ſam@example.org", "sam@example.org"),  # long s
    ("fi@example.org", "\ufb01@example.org"),  # ligature
    ("i@example.org", "İ@example.org"),
    ("a@example.org", "а@example.org"),  # Cyrillic
]


@pytest.mark.parametrize(("mine", "theirs"), PAIRS, ids=[f"pair-{n}" for n in range(len(PAIRS))])
async def test_row_34_no_two_spellings_meet_in_one_account(app: Harness, mine: str, theirs: str) -> None:
    tag = secrets.token_hex(4)
    ours, other = f"{tag}{mine}", f"{tag}{theirs}"
    if not ours.isascii():
        ours, other = other, ours
    person = await app.make_user(email=ours.lower())
    before = await app.db.fetchval("SELECT count(*) FROM users")
    body = {"email": other, "password": PASSWORD, "fullName": "Twin"}
    made = await app.http.post("/auth/register", json=body, headers={"X-Forwarded-For": app.fresh_ip()})
    if made.status_code == 201:
        stored = made.json()["data"]["user"]["email"]
        assert stored != ours.lower()
    else:
        assert made.status_code in {400, 409}
        assert await app.db.fetchval("SELECT count(*) FROM users") == before
    asked = await app.http.post(
        "/auth/password-reset/request", json={"email": other}, headers={"X-Forwarded-For": app.fresh_ip()}
    )
    assert asked.status_code in {200, 400}
    to_other = await letters(app, other.replace("\x00", ""))
    mine_now = await letters(app, person.email, "password_reset")
    if other.strip().lower() != person.email:
        assert not mine_now or all(letter.to == person.email for letter in mine_now)
    assert all(letter.template != "password_reset" for letter in to_other if letter.to != person.email)
