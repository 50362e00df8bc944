"""/api/v1/settings/domains: claimed by anybody, proven by a record in the DNS, one tenant for each."""

from __future__ import annotations

import asyncio
import secrets

import dns.rcode
import pytest
from services.name_server import NameServer
from tenants import Tenant

from identry.records import domains


def fresh() -> str:
    """A domain of the test's own."""
    return f"acme-{secrets.token_hex(4)}.com"


async def claimed(tenant: Tenant, domain: str) -> str:
    """Claim a domain; returns the text that has to be in the DNS."""
    status, view = await tenant.ask("POST", "/settings/domains", {"domain": domain})
    assert status == 201, view
    record = view["record"]
    assert record["type"] == "TXT"
    assert record["value"].startswith("identry-verify=")
    text: str = record["value"]
    return text


async def proven(tenant: Tenant, names: NameServer, domain: str) -> None:
    """Claim and prove a domain."""
    names.texts[domain] = ["v=spf1 -all", await claimed(tenant, domain)]
    status, view = await tenant.ask("POST", f"/settings/domains/{domain}/verify")
    assert (status, view["verified"]) == (200, True)


async def test_a_domain_is_claimed_proven_listed_and_given_up(tenant: Tenant, names: NameServer) -> None:
    domain = fresh()
    text = await claimed(tenant, domain)
    assert (await tenant.ask("GET", "/settings/domains"))[1]["data"][0]["verified"] is False
    names.texts[domain] = ["v=spf1 -all", text]
    status, view = await tenant.ask("POST", f"/settings/domains/{domain}/verify")
    assert (status, view["verified"], view["domain"]) == (200, True, domain)
    assert view["verified_at"]
    assert await domains.owner(tenant.app.db, domain) == tenant.id
    assert (await tenant.ask("POST", f"/settings/domains/{domain}/verify"))[1] == view, "again is no error"
    assert (await tenant.ask("GET", "/settings/domains"))[1] == {"data": [view]}
    assert await tenant.ask("DELETE", f"/settings/domains/{domain}") == (204, None)
    assert await domains.owner(tenant.app.db, domain) is None
    assert (await tenant.ask("GET", "/settings/domains"))[1] == {"data": []}
    events = [row["event"] for row in await tenant.app.audit(company_id=tenant.id) if "domain" in row["event"]]
    assert events == ["tenant.domain.added", "tenant.domain.verified", "tenant.domain.removed"]


async def test_a_claim_keeps_its_token_and_a_new_one_has_another(tenant: Tenant) -> None:
    domain = fresh()
    text = await claimed(tenant, domain)
    assert await claimed(tenant, domain) == text
    await tenant.ask("DELETE", f"/settings/domains/{domain}")
    assert await claimed(tenant, domain) != text


@pytest.mark.parametrize(
    "spelling", ["{}", "{}.", "UPPER", " {} "], ids=["plain", "trailing dot", "upper case", "spaces"]
)
async def test_a_domain_is_the_same_in_every_spelling(tenant: Tenant, spelling: str) -> None:
    domain = fresh()
    text = await claimed(tenant, domain)
    written = domain.upper() if spelling == "UPPER" else spelling.format(domain)
    assert await claimed(tenant, written) == text
    assert len((await tenant.ask("GET", "/settings/domains"))[1]["data"]) == 1


async def test_an_international_domain_is_its_a_labels(tenant: Tenant, names: NameServer) -> None:
    label = f"bücher{secrets.token_hex(3)}"
    status, view = await tenant.ask("POST", "/settings/domains", {"domain": f"{label}.example.org"})
    assert status == 201
    assert view["domain"] == label.encode("idna").decode() + ".example.org"
    names.texts[view["domain"]] = [view["record"]["value"]]
    assert (await tenant.ask("POST", f"/settings/domains/{label}.example.org/verify"))[0] == 200


BAD = [
    "",
    " ",
    ".",
    "com",
    "localhost",
    "acme.local",
    "acme.internal",
    "acme.test",
    "acme.example",
    "acme.invalid",
    "acme.onion",
    "1.168.192.in-addr.arpa",
    "192.168.0.1",
    "*.acme.com",
    "acme..com",
    "-acme.com",
    "acme-.com",
    "ac_me.com",
    "acme.com/x",
    "a@acme.com",
    "acme.com\x00",
    "acme .com",
    "a" * 64 + ".com",
    "a." * 130 + "com",
    "auth.example.com",
    "mail.auth.example.com",
    "APP.example.com",
]


@pytest.mark.parametrize("number", range(len(BAD)))
async def test_what_nobody_can_prove_is_refused(tenant: Tenant, number: int) -> None:
    status, refused = await tenant.ask("POST", "/settings/domains", {"domain": BAD[number]})
    assert (status, refused["error"]["code"]) == (400, "validation_error")
    assert refused["error"]["details"]["fields"][0]["field"] == "domain"


async def test_the_domain_above_our_own_hosts_may_be_a_tenants(tenant: Tenant) -> None:
    assert (await tenant.ask("POST", "/settings/domains", {"domain": "example.com"}))[0] == 201
    await tenant.ask("DELETE", "/settings/domains/example.com")


async def test_without_the_record_a_domain_is_not_verified(tenant: Tenant, names: NameServer) -> None:
    domain, other = fresh(), await Tenant(tenant.app).made()
    text, foreign = await claimed(tenant, domain), await claimed(other, domain)
    path = f"/settings/domains/{domain}/verify"
    wrong = [[], ["identry-verify="], [text[:-1]], [text.upper()], ["x" + text], [foreign], [f"a {text}"]]
    for texts in wrong:
        names.texts[domain] = texts
        status, refused = await tenant.ask("POST", path)
        assert (status, refused["error"]["code"]) == (409, "domain_not_verified"), texts
        assert refused["error"]["details"]["record"] == {"type": "TXT", "name": domain, "value": text}
    names.texts.pop(domain)
    assert await tenant.code("POST", path) == (409, "domain_not_verified")
    assert await domains.owner(tenant.app.db, domain) is None


async def test_a_record_below_the_domain_or_behind_an_alias_proves_nothing(tenant: Tenant, names: NameServer) -> None:
    domain, elsewhere = fresh(), fresh()
    text = await claimed(tenant, domain)
    names.texts[f"_identry.{domain}"] = [text]
    names.texts[elsewhere] = [text]
    names.aliases[domain] = elsewhere
    assert await tenant.code("POST", f"/settings/domains/{domain}/verify") == (409, "domain_not_verified")


async def test_a_long_record_is_read_whole(tenant: Tenant, names: NameServer) -> None:
    domain = fresh()
    names.texts[domain] = ["x" * 600, await claimed(tenant, domain)]
    assert (await tenant.ask("POST", f"/settings/domains/{domain}/verify"))[0] == 200


async def test_a_dns_that_does_not_answer_is_an_outage_and_no_refusal(tenant: Tenant, names: NameServer) -> None:
    domain = fresh()
    names.texts[domain] = [await claimed(tenant, domain)]
    dns = tenant.app.app.engines.browser.sso.dns  # type: ignore[union-attr]
    patience, dns._timeout = dns._timeout, 0.3
    try:
        names.silent = True
        assert await tenant.code("POST", f"/settings/domains/{domain}/verify") == (503, "service_unavailable")
        names.silent, names.rcode = False, dns_failure()
        assert await tenant.code("POST", f"/settings/domains/{domain}/verify") == (503, "service_unavailable")
    finally:
        dns._timeout, names.silent, names.rcode = patience, False, None
    assert (await tenant.ask("POST", f"/settings/domains/{domain}/verify"))[0] == 200


def dns_failure() -> dns.rcode.Rcode:
    """SERVFAIL."""
    return dns.rcode.SERVFAIL


async def test_a_domain_has_one_tenant(tenant: Tenant, names: NameServer) -> None:
    domain, other, third = fresh(), await Tenant(tenant.app).made(), await Tenant(tenant.app).made()
    late = await claimed(other, domain)
    await proven(tenant, names, domain)
    assert await third.code("POST", "/settings/domains", {"domain": domain}) == (409, "domain_taken")
    names.texts[domain].append(late)
    assert await other.code("POST", f"/settings/domains/{domain}/verify") == (409, "domain_taken")
    assert await domains.owner(tenant.app.db, domain) == tenant.id
    await tenant.ask("DELETE", f"/settings/domains/{domain}")
    assert (await other.ask("POST", f"/settings/domains/{domain}/verify"))[0] == 200


async def test_of_tenants_that_prove_a_domain_at_once_one_has_it(tenant: Tenant, names: NameServer) -> None:
    domain, sides = fresh(), [tenant, *[await Tenant(tenant.app).made() for _ in range(7)]]
    names.texts[domain] = [await claimed(side, domain) for side in sides]
    answers = await asyncio.gather(*(side.ask("POST", f"/settings/domains/{domain}/verify") for side in sides))
    assert sorted(status for status, _ in answers) == [200] + [409] * 7
    assert [b["error"]["code"] for s, b in answers if s == 409] == ["domain_taken"] * 7


async def test_what_another_tenant_claimed_is_not_there(tenant: Tenant, names: NameServer) -> None:
    domain, other = fresh(), await Tenant(tenant.app).made()
    await proven(other, names, domain)
    for method, path in (("POST", "/verify"), ("DELETE", "")):
        assert await tenant.code(method, f"/settings/domains/{domain}{path}") == (404, "not_found")
        assert await tenant.code(method, f"/settings/domains/no domain{path}") == (404, "not_found")
    assert await domains.owner(tenant.app.db, domain) == other.id


async def test_a_claim_that_was_made_again_meanwhile_is_not_proven_by_the_old_record(
    tenant: Tenant, names: NameServer
) -> None:
    domain = fresh()
    old = await claimed(tenant, domain)
    await tenant.ask("DELETE", f"/settings/domains/{domain}")
    await claimed(tenant, domain)
    names.texts[domain] = [old]
    assert await tenant.code("POST", f"/settings/domains/{domain}/verify") == (409, "domain_not_verified")


async def test_a_tenant_has_a_hundred_domains_at_most(tenant: Tenant) -> None:
    now = tenant.app.clock.now()
    for i in range(100):
        await domains.insert(tenant.app.db, domains.Domain(tenant.id, f"n{i}.com", "t", now, None))
    assert await tenant.code("POST", "/settings/domains", {"domain": fresh()}) == (409, "too_many_domains")


async def test_proofs_are_limited_for_each_tenant(tenant: Tenant) -> None:
    domain, other = fresh(), await Tenant(tenant.app).made()
    for side in (tenant, other):
        await claimed(side, domain)
    path = f"/settings/domains/{domain}/verify"
    codes = [(await tenant.ask("POST", path))[0] for _ in range(11)]
    assert codes == [409] * 10 + [429]
    assert (await other.ask("POST", path))[0] == 409


async def test_who_may_only_read_claims_nothing(tenant: Tenant) -> None:
    reader, nobody = await tenant.person(may=("settings:read",)), await tenant.person()
    assert (await tenant.ask("GET", "/settings/domains", by=reader))[0] == 200
    assert await tenant.code("GET", "/settings/domains", by=nobody) == (403, "permission_denied")
    denied = (403, "permission_denied")
    assert await tenant.code("POST", "/settings/domains", {"domain": fresh()}, by=reader) == denied
    assert await tenant.code("POST", "/settings/domains/a.com/verify", by=reader) == denied
    assert await tenant.code("DELETE", "/settings/domains/a.com", by=reader) == denied
