"""Who gets into which account by which identity: the table of SECURITY §2 row 40, one situation after the other."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from browser import settle
from federation import PERSONAL, Federation, Window, federation, guid, link, someone
from harness import Harness, Person, Servers
from second_factor import secured

from identry.core.db import Executor
from identry.records import users
from identry.records.users import User


async def identities_of(app: Harness, person: Person) -> int:
    count: int = await app.db.fetchval("SELECT count(*) FROM identities WHERE user_id = $1", person.id)
    return count


async def verified_person(there: Federation, **fields: Any) -> tuple[str, Person]:
    """A directory and a member of its tenant, whose address is of a domain that the tenant proved to own."""
    tid = guid()
    tenant_id = await there.tenant(tid)
    domain = there.verified(tenant_id)
    person = await there.app.make_user(**{"email": f"ada-{guid()[:8]}@{domain}", **fields})
    await settle(there.app, person, tenant_id)
    return tid, person


# -- linked silently: the tenant answers for directory and domain ----------------------------------------------------


async def test_own_directory_and_own_domain_link_the_existing_account(there: Federation, window: Window) -> None:
    tid, person = await verified_person(there)

    me = (await window.sign_in(someone(tid, person.email)))["user"]

    assert me["id"] == str(person.id)
    assert me["auth_methods"] == ["password", "microsoft"]
    assert [mail["template"] for mail in await there.app.mails(person.email)] == ["identity_linked"]
    [row] = await there.app.audit("identity.linked", target_user_id=person.id)
    assert json.loads(row["details"])["by"] == "verified domain"


async def test_a_linked_account_that_is_no_member_yet_joins_where_the_tenant_lets_people_in(
    there: Federation, window: Window
) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    person = await there.app.make_user(email=f"ada@{there.verified(tenant_id)}")
    assert (await window.sign_in(someone(tid, person.email)))["user"]["tenant_id"] == str(tenant_id)


async def test_a_linked_account_keeps_its_second_factor(there: Federation, window: Window) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    account = await secured(there.app, email=f"ada@{there.verified(tenant_id)}")
    await settle(there.app, account.person, tenant_id)
    assert (await window.sign_in(someone(tid, account.person.email)))["mfa_required"] is True


# -- not linked: the address alone shows nothing ---------------------------------------------------------------------


async def refused(there: Federation, person: Person, tid: str, code: str = "account_link_required", **told: Any) -> str:
    """The sign-in with this address is refused and leaves the account as it was; returns the audited reason."""
    email = told.pop("email", person.email)
    before = dict(await there.app.db.fetchrow("SELECT * FROM users WHERE id = $1", person.id))
    known = await there.refusals()
    had = await identities_of(there.app, person)

    assert await Window(there).arrive(someone(tid, email, **told)) == {"error": code}

    assert dict(await there.app.db.fetchrow("SELECT * FROM users WHERE id = $1", person.id)) == before
    assert await identities_of(there.app, person) == had
    assert await there.app.mails(person.email) == []
    [row] = await there.refusals(*known)
    reason: str = json.loads(row["details"])["reason"]
    return reason


async def test_an_address_from_a_directory_of_nobody_is_not_proof(there: Federation) -> None:
    """NOAuth: whoever has a directory writes any address into it."""
    _, person = await verified_person(there)
    assert await refused(there, person, guid()) == "directory of no tenant"
    assert await refused(there, person, PERSONAL) == "directory of no tenant"
    assert await refused(there, person, guid(), email_verified=True, xms_edov=True) == "directory of no tenant"


async def test_an_address_from_another_tenants_directory_is_not_proof(there: Federation) -> None:
    _, person = await verified_person(there)
    foreign = guid()
    await there.tenant(foreign)
    assert await refused(there, person, foreign) == "domain not verified by the tenant"


async def test_an_unverified_domain_is_not_proof_even_in_ones_own_directory(there: Federation) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    person = await there.app.make_user()
    await settle(there.app, person, tenant_id)
    assert await refused(there, person, tid) == "domain not verified by the tenant"


async def test_a_sub_domain_of_a_verified_one_is_not_verified(there: Federation) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    person = await there.app.make_user(email=f"ada@sub.{there.verified(tenant_id)}")
    await settle(there.app, person, tenant_id)
    assert await refused(there, person, tid) == "domain not verified by the tenant"


async def test_an_account_whose_address_nobody_proved_is_not_taken_over(there: Federation) -> None:
    """Pre-hijacking: whoever registered the address first still has a password to it."""
    tid, person = await verified_person(there, email_verified=False)
    assert await refused(there, person, tid) == "address never proven here"


@pytest.mark.parametrize(
    ("fields", "linked"),
    [
        ({"password_hash": None}, True),
        ({"password_hash": None, "last_login_at": datetime(2026, 1, 1, tzinfo=UTC)}, False),
        ({}, False),
    ],
    ids=["nobody was in it", "somebody was in it", "somebody has a password"],
)
async def test_an_account_that_staff_made_waits_for_its_owner(
    fields: dict[str, Any], linked: bool, there: Federation, window: Window
) -> None:
    tid, person = await verified_person(there, email_verified=False, **fields)
    if not linked:
        assert await refused(there, person, tid) == "address never proven here"
        return
    assert (await window.sign_in(someone(tid, person.email)))["user"]["id"] == str(person.id)
    assert await there.app.db.fetchval("SELECT email_verified FROM users WHERE id = $1", person.id) is True


async def test_where_passwords_open_nothing_an_unused_one_goes_with_the_first_sign_in(servers: Servers) -> None:
    restricted = {"AUTH_ALLOWED_EMAIL_DOMAINS": "*.example.com,example.com", "AUTH_POLICY": "restricted"}
    async with federation(servers, **restricted) as strict:
        tid, person = await verified_person(strict, email_verified=False)
        assert (await Window(strict).sign_in(someone(tid, person.email)))["user"]["auth_methods"] == ["microsoft"]
        row = await strict.app.db.fetchrow("SELECT password_hash, token_version FROM users WHERE id = $1", person.id)
        assert tuple(row) == (None, 2)


async def test_an_address_that_was_given_to_a_successor_is_not_the_predecessors_account(there: Federation) -> None:
    tid, person = await verified_person(there)
    await Window(there).sign_in(someone(tid, person.email))
    await there.app.db.execute("DELETE FROM mail_outbox")
    assert await refused(there, person, tid) == "account has another identity of this directory"


async def test_platform_staff_link_by_hand(there: Federation) -> None:
    tid, person = await verified_person(there, global_role="PLATFORM_ADMIN")
    assert await refused(there, person, tid) == "platform staff"


async def test_an_address_changed_at_the_provider_leads_into_no_other_account(
    there: Federation, window: Window
) -> None:
    """The identity stays who it was, whatever address it claims now."""
    tid, victim = await verified_person(there)
    mallory = someone(tid)
    own = (await window.sign_in(mallory))["user"]
    there.entra.claims = {"email": victim.email, "preferred_username": victim.email}

    assert (await Window(there).sign_in(mallory))["user"]["id"] == own["id"]
    assert await identities_of(there.app, victim) == 0


async def test_the_same_object_id_in_another_directory_is_somebody_else(there: Federation, window: Window) -> None:
    tid, other = guid(), guid()
    await there.tenant(tid)
    await there.tenant(other)
    ada = someone(tid)
    first = (await window.sign_in(ada))["user"]
    second = (await Window(there).sign_in(replace(ada, tid=other, email=someone(other).email)))["user"]
    assert second["id"] != first["id"]


@pytest.mark.parametrize("spelling", ["ADA@{}", "Ada@{}", "ada@{}"])
async def test_spellings_of_an_address_are_one_account(spelling: str, there: Federation, window: Window) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    domain = there.verified(tenant_id)
    person = await there.app.make_user(email=f"ada@{domain}")
    await settle(there.app, person, tenant_id)
    me = (await window.sign_in(someone(tid, spelling.format(domain.upper()))))["user"]
    assert me["id"] == str(person.id)


@pytest.mark.parametrize("lookalike", ["аda@{}", "ada@{}\u200b", "a\u0131da@{}", "ada@{}\u3002"])
async def test_lookalikes_of_an_address_are_no_address(lookalike: str, there: Federation) -> None:
    tid, person = await verified_person(there)
    domain = person.email.partition("@")[2]
    assert await Window(there).arrive(someone(tid, lookalike.format(domain))) == {"error": "token_invalid"}


# -- gates -----------------------------------------------------------------------------------------------------------


async def test_a_pre_registered_account_still_waits_for_approval(there: Federation) -> None:
    tid, person = await verified_person(there, approval_status="PENDING", is_active=False)
    assert await refused(there, person, tid, "pending_approval") == "waits for approval"


@pytest.mark.parametrize(
    "fields", [{"is_active": False}, {"approval_status": "REJECTED"}], ids=["inactive", "rejected"]
)
async def test_a_closed_account_is_neither_linked_nor_entered(fields: dict[str, Any], there: Federation) -> None:
    tid, person = await verified_person(there, **fields)
    assert await refused(there, person, tid, "account_inactive")


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("UPDATE users SET is_active = false WHERE id = $1", "account_inactive"),
        ("UPDATE users SET approval_status = 'REJECTED' WHERE id = $1", "account_inactive"),
        ("UPDATE users SET approval_status = 'PENDING' WHERE id = $1", "pending_approval"),
        ("UPDATE tenant_members SET is_active = false WHERE user_id = $1", "account_inactive"),
    ],
)
async def test_a_known_identity_passes_the_same_gates(sql: str, code: str, there: Federation) -> None:
    tid, person = await verified_person(there)
    ada = someone(tid, person.email)
    await link(there, person, ada)
    await there.app.db.execute(sql, person.id)
    assert await Window(there).arrive(ada) == {"error": code}


async def test_whoever_was_removed_from_the_tenant_does_not_come_back_by_signing_in(there: Federation) -> None:
    tid, person = await verified_person(there)
    await there.app.db.execute("UPDATE tenant_members SET is_active = false WHERE user_id = $1", person.id)
    assert await refused(there, person, tid, "account_inactive") == "no member of the tenant"


# -- accounts made at the first sign-in ------------------------------------------------------------------------------


async def test_a_directory_of_no_tenant_makes_no_account(there: Federation) -> None:
    newcomer = someone(guid())
    assert await Window(there).arrive(newcomer) == {"error": "tenant_unknown"}
    assert await there.app.db.fetchval("SELECT count(*) FROM users WHERE email = $1", newcomer.email) == 0


async def test_a_tenant_that_lets_nobody_in_by_itself_makes_no_account(there: Federation) -> None:
    await there.tenant(tid := guid(), jit=False)
    assert await Window(there).arrive(someone(tid)) == {"error": "access_denied"}


async def test_a_tenant_that_is_closed_lets_nobody_in(there: Federation) -> None:
    await there.tenant(tid := guid(), is_active=False)
    assert await Window(there).arrive(someone(tid)) == {"error": "tenant_unknown"}


async def test_an_address_of_another_tenants_domain_is_not_given_away(there: Federation) -> None:
    domain = there.verified(await there.tenant())
    await there.tenant(tid := guid())
    assert await Window(there).arrive(someone(tid, f"ceo@{domain}")) == {"error": "email_domain_not_allowed"}


async def test_an_address_counts_as_proven_only_in_a_verified_domain(there: Federation, window: Window) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    inside = someone(tid, f"ada@{there.verified(tenant_id)}")
    outside = someone(tid)
    await window.sign_in(inside)
    await Window(there).sign_in(outside)
    rows = await there.app.db.fetch(
        "SELECT email, email_verified, password_hash, auth_provider FROM users WHERE email = ANY($1)",
        [inside.email, outside.email],
    )
    assert {row["email"]: row["email_verified"] for row in rows} == {inside.email: True, outside.email: False}
    assert {(row["password_hash"], row["auth_provider"]) for row in rows} == {(None, "microsoft")}


async def test_the_owner_of_a_mailbox_takes_the_account_from_whoever_came_by_its_unproven_address(
    there: Federation, window: Window
) -> None:
    """Pre-hijacking the other way round: the reset proves the mailbox, the identity did not."""
    await there.tenant(tid := guid())
    mallory = someone(tid)
    await window.sign_in(mallory)
    assert (await window.post("/password-reset/request", {"email": mallory.email})).status_code == 202
    token = (await there.app.mails(mallory.email))[0]["links"][0].rpartition("token=")[2]
    reply = await window.post("/password-reset/confirm", {"token": token, "new_password": "a new horse battery"})
    assert reply.status_code == 204, reply.text

    assert await Window(there).arrive(mallory) == {"error": "account_link_required"}


async def test_a_reset_keeps_the_identities_of_an_account_whose_address_was_proven(there: Federation) -> None:
    tid, person = await verified_person(there)
    await Window(there).sign_in(someone(tid, person.email))
    window = Window(there)
    await window.post("/password-reset/request", {"email": person.email})
    mails = await there.app.mails(person.email)
    token = next(m for m in mails if m["template"] == "password_reset")["links"][0].rpartition("token=")[2]
    await window.post("/password-reset/confirm", {"token": token, "new_password": "a new horse battery"})
    assert await identities_of(there.app, person) == 1


async def test_of_parallel_first_sign_ins_all_reach_one_account(there: Federation) -> None:
    await there.tenant(tid := guid())
    ada = there.entra.who = someone(tid)
    windows = [Window(there) for _ in range(10)]
    urls = [await window.prove(await window.leave()) for window in windows]

    found = await asyncio.gather(*(w.come_back(url) for w, url in zip(windows, urls, strict=True)))

    # Who could not be served in time on a busy machine is told to come back, and nobody gets a second account.
    admitted = [told for told in found if set(told) == {"code"}]
    assert admitted
    assert [told for told in found if told not in admitted and told["error"] != "provider_unavailable"] == []
    assert await there.app.db.fetchval("SELECT count(*) FROM users WHERE email = $1", ada.email) == 1
    assert await there.app.db.fetchval("SELECT count(*) FROM identities WHERE subject = $1", ada.oid) == 1


async def test_a_window_that_is_overtaken_between_two_looks_reaches_the_account_that_the_other_made(
    there: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await there.tenant(tid := guid())
    ada = there.entra.who = someone(tid)
    slow, quick = Window(there), Window(there)
    slow_url, quick_url = [await window.prove(await window.leave()) for window in (slow, quick)]
    look = users.find_by_email
    told: list[object] = []

    async def overtaken(db: Executor, email: str) -> User | None:
        if not told:
            told.append("")  # the quick window looks as well
            told[0] = list(await quick.come_back(quick_url))
        return await look(db, email)

    monkeypatch.setattr(users, "find_by_email", overtaken)
    assert set(await slow.come_back(slow_url)) == {"code"}
    assert told == [["code"]]
    assert await there.app.db.fetchval("SELECT count(*) FROM users WHERE email = $1", ada.email) == 1


# -- which tenant ----------------------------------------------------------------------------------------------------


async def test_an_identity_of_no_tenants_directory_opens_the_accounts_own_tenant(
    there: Federation, window: Window
) -> None:
    tenant_id = await there.tenant()
    person = await there.app.make_user()
    await settle(there.app, person, tenant_id)
    personal = someone(PERSONAL)
    await link(there, person, personal)
    assert (await window.sign_in(personal))["user"]["tenant_id"] == str(tenant_id)


async def test_a_directory_that_a_stranger_claims_takes_nobody_out_of_their_tenant(
    there: Federation, window: Window
) -> None:
    tenant_id = await there.tenant()
    person = await there.app.make_user()
    await settle(there.app, person, tenant_id)
    ada = someone(guid())
    await link(there, person, ada)
    await there.tenant(ada.tid)
    assert (await window.sign_in(ada))["user"]["tenant_id"] == str(tenant_id)


# -- domains ---------------------------------------------------------------------------------------------------------


async def test_the_tenants_list_of_domains_is_asked_at_every_sign_in(there: Federation, window: Window) -> None:
    tid = guid()
    tenant_id = await there.tenant(tid)
    ada = someone(tid)
    await window.sign_in(ada)
    await there.app.db.execute(
        "UPDATE tenants SET allowed_email_domains = ARRAY['other.example'] WHERE id = $1", tenant_id
    )
    assert await Window(there).arrive(ada) == {"error": "email_domain_not_allowed"}
    assert await Window(there).arrive(someone(tid)) == {"error": "email_domain_not_allowed"}
    there.entra.claims = {"email": "ada@other.example"}
    assert await Window(there).arrive(ada) == {"error": "email_domain_not_allowed"}


async def test_the_platforms_list_of_domains_is_asked_before_anything_is_looked_up(servers: Servers) -> None:
    restricted = {"AUTH_ALLOWED_EMAIL_DOMAINS": "acme.com,*.acme.com", "AUTH_POLICY": "restricted"}
    async with federation(servers, **restricted) as strict:
        await strict.tenant(tid := guid())
        assert await Window(strict).arrive(someone(tid)) == {"error": "email_domain_not_allowed"}
        inside = someone(tid, f"ada-{guid()[:8]}@eu.acme.com")
        assert "access_token" in await Window(strict).sign_in(inside)
        strict.entra.claims = {"email": "ada@acme.com.evil.example"}
        assert await Window(strict).arrive(inside) == {"error": "email_domain_not_allowed"}
