"""What administrators are told of those who try to get in, from the audit log alone."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from harness import PASSWORD, Harness
from provider.callers import MANAGE, administrator

from identry.core.origin import Origin
from identry.flows.threats.service import risk

SECURITY = f"{MANAGE}/api/admin/security"


def fresh(app: Harness) -> str:
    return str(ip_address(app.fresh_ip()))


async def get(app: Harness, headers: dict[str, str], path: str, **params: Any) -> Any:
    reply = await app.http.get(f"{SECURITY}{path}", params=params, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_the_reputation_of_an_address_is_what_came_from_it(app: Harness) -> None:
    _, headers = await administrator(app)
    person, ip = await app.make_user(), fresh(app)

    async def sign_in(email: str, password: str, times: int) -> set[int]:
        body = {"email": email, "password": password}
        where = {"X-Forwarded-For": ip}
        return {(await app.http.post("/auth/login", json=body, headers=where)).status_code for _ in range(times)}

    nobody = await get(app, headers, f"/ip-reputation/{ip}")
    assert (nobody["score"], nobody["is_blocked"], nobody["last_30d"]["events"]) == (0.0, False, 0)
    assert "last_seen" not in nobody
    assert await sign_in(person.email, PASSWORD, 1) == {200}
    app.clock.advance(25 * 3600)  # what came before was longer than a day ago
    _, headers = await administrator(app)
    assert await sign_in(person.email, "wrong password", 12) == {401, 429}
    known = await get(app, headers, f"/ip-reputation/[{ip.upper()}]:443")
    assert (known["ip_address"], known["failed_auth"], known["failed_logins_24h"]) == (ip, 10, 10)
    assert known["last_24h"] == {
        "events": 11, "succeeded": 0, "failed": 10, "accounts": 1, "lock_outs": 1, "token_reuse": 0,
    }  # fmt: skip
    assert known["last_30d"] == {**known["last_24h"], "events": 12, "succeeded": 1}
    assert (known["score"], known["unique_users_targeted"]) == (risk(10, 1, reused=False), 1)
    assert known["first_seen"] < known["last_seen"]
    made = await app.http.post(
        f"{SECURITY}/blocked-ips", json={"ip_address": f"{ip}/96", "reason": "guesses"}, headers=headers
    )
    assert made.status_code == 400  # has bits beyond its prefix
    network = ip.rpartition("::")[0] + "::/64"
    made = await app.http.post(
        f"{SECURITY}/blocked-ips", json={"ip_address": network, "reason": "guesses"}, headers=headers
    )
    blocked = await get(app, headers, f"/ip-reputation/{ip}")
    assert (blocked["is_blocked"], blocked["block_reason"], blocked["block_id"]) == (
        True, "guesses", made.json()["id"],
    )  # fmt: skip
    for text in ("nowhere", "192.0.2.0/24", "1"):
        assert (await app.http.get(f"{SECURITY}/ip-reputation/{text}", headers=headers)).status_code in {400, 404}


async def test_threats_are_counted_by_kind_and_by_address(app: Harness) -> None:
    person, audit = await app.make_user(), app.app.engines.audit
    burst, thief, now_and_then = fresh(app), fresh(app), fresh(app)
    app.clock.advance(3600 - app.clock.timestamp() % 3600)  # all of it in one hour of the clock
    _, headers = await administrator(app)
    before = await get(app, headers, "/threats", period="30d")

    async def told(event: str, ip: str, times: int = 1, **details: Any) -> None:
        more: Any = {"actor": "anonymous", "target": person.id, "success": False, "details": details}
        await audit.record_all(app.db, [audit.row(event, Origin(ip), **more) for _ in range(times)])

    await told("auth.login.failed", burst, 250)
    await told("auth.login.failed", now_and_then, 9)
    await told("auth.login.rate_limited", burst, limit="account-failures")
    await told("auth.login.rate_limited", burst, limit="login")
    await told("auth.refresh.reuse_detected", thief)
    await told("oauth.code.reuse_detected", thief, 2)
    await told("auth.refresh.rotated", now_and_then, 30)
    after = await get(app, headers, "/threats", period="30d")
    assert after["failed_logins"] - before["failed_logins"] == 259

    def of(found: Any, kind: str) -> int:
        return next((entry["count"] for entry in found["top_threats"] if entry["type"] == kind), 0)

    more = {kind: of(after, kind) - of(before, kind) for kind in (
        "failure_burst", "lock_out", "flood", "refresh_token_reuse", "code_reuse", "failed_sign_in",
    )}  # fmt: skip
    assert more == {
        "failure_burst": 1, "lock_out": 1, "flood": 1, "refresh_token_reuse": 1, "code_reuse": 2, "failed_sign_in": 0,
    }  # fmt: skip
    assert after["suspicious_events"] == sum(entry["count"] for entry in after["top_threats"])
    assert after["risk_score"] >= 50
    suspects = {entry["ip_address"]: entry for entry in after["suspicious_ips"]}
    assert now_and_then not in suspects
    assert suspects[burst]["event_count"] == 252
    assert suspects[burst]["event_types"] == ["failed_sign_in", "flood", "lock_out"]
    assert (suspects[burst]["affected_users"], suspects[burst]["is_blocked"]) == (1, False)
    assert len(suspects) <= 20
    for period in ("24h", "7d"):
        assert 259 <= (await get(app, headers, "/threats", period=period))["failed_logins"] <= after["failed_logins"]
    assert (await app.http.get(f"{SECURITY}/threats?period=1y", headers=headers)).status_code == 400


def test_a_few_failures_are_no_risk_and_a_reused_token_is() -> None:
    assert risk(0, 0, reused=False) == 0
    assert risk(1, 0, reused=False) < 10
    assert risk(1000, 0, reused=False) == 98
    assert risk(10, 1000, reused=False) == 1
    assert risk(0, 1000, reused=True) == 50
