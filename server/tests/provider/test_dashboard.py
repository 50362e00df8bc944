"""The platform in figures, for its administrators' first page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from harness import Harness
from provider.applications import application
from provider.callers import MANAGE, administrator, bearer, member, user_token

from identry.flows.dashboard.service import Dashboard

DASHBOARD = f"{MANAGE}/api/admin/dashboard"
PAGES = ("/stats", "/activity", "/login-trends", "/app-usage", "/health")


async def get(app: Harness, headers: dict[str, str], path: str, **params: Any) -> Any:
    reply = await app.http.get(f"{DASHBOARD}{path}", params=params, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def wrong_password(app: Harness, email: str) -> None:
    body = {"email": email, "password": "wrong password"}
    reply = await app.http.post("/auth/login", json=body, headers={"X-Forwarded-For": app.fresh_ip()})
    assert reply.status_code == 401


async def test_the_figures_are_those_of_the_database(app: Harness) -> None:
    _, headers = await administrator(app)
    before = await get(app, headers, "/stats")
    trends = await get(app, headers, "/login-trends", days=2)
    made, off = await application(app), await application(app, is_active=False)
    person = await app.signed_in()
    await app.sign_in(person)
    await app.make_user(is_active=False)
    await wrong_password(app, person.email)
    after = await get(app, headers, "/stats")
    assert after.pop("active_sessions") >= 2
    assert {name: after[name] - before[name] for name in after} == {
        "total_users": 2, "active_users": 1, "locked_accounts": 1, "total_apps": 2, "active_apps": 1,
        "new_users": 2, "logins": 2, "failed_logins": 1, "failed_logins_24h": 1,
        "blocked_ips": 0,
    }  # fmt: skip
    later = await get(app, headers, "/login-trends", days=2)
    assert later["period"] == "2d"
    today = app.clock.now().astimezone(UTC).date().isoformat()
    assert [day["date"] for day in later["trends"]][-1] == today

    def sums(found: Any) -> list[int]:
        return [
            sum(day[name] for day in found["trends"]) for name in ("success_count", "failure_count", "unique_users")
        ]

    assert [b - a for a, b in zip(sums(trends), sums(later), strict=True)] == [2, 1, 1]
    joined = await member(app, made, "user")
    await user_token(app, joined, made.client)
    usage = {entry["client_id"]: entry for entry in (await get(app, headers, "/app-usage"))["apps"]}
    entry = usage[made.client.client_id]
    assert (entry["app_id"], entry["total_users"], entry["active_users"]) == (made.client.number, 1, 1)
    assert entry["total_logins"] == 1
    assert datetime.fromisoformat(entry["last_activity"]).tzinfo is not None
    assert (usage[off.client.client_id]["active_users"], usage[off.client.client_id].get("last_activity")) == (
        0,
        None,
    )
    assert "identry-admin" not in usage


async def test_activity_is_told_without_refreshes_and_health_with_what_it_took(app: Harness) -> None:
    newest = await app.db.fetchval("SELECT occurred_at FROM auth_audit_logs ORDER BY id DESC LIMIT 1")
    if newest:  # of a test whose clock was ahead
        app.clock.advance(max(newest - app.clock.now(), timedelta()) + timedelta(seconds=1))
    _, headers = await administrator(app)
    person = await app.signed_in()
    app.clock.advance(0.01)  # within one millisecond the order is random
    await wrong_password(app, person.email)
    reply = await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
    assert reply.status_code == 200
    found = await get(app, headers, "/activity", limit=2)
    assert found["total"] == 2
    failed, succeeded = found["activities"]
    assert (failed["type"], failed["success"], failed["user_email"]) == ("auth.login.failed", False, person.email)
    assert failed["description"] == "auth login failed: wrong password"
    assert succeeded["type"] == "auth.login.succeeded"
    assert isinstance(failed["id"], int)
    health = await get(app, headers, "/health")
    assert (health["status"], health["database"]["status"], set(health["dependencies"])) == (
        "healthy", "ok", {"postgres", "redis"},
    )  # fmt: skip
    for params, path in (({"limit": 0}, "/activity"), ({"limit": 101}, "/activity"), ({"days": 91}, "/login-trends")):
        assert (await app.http.get(f"{DASHBOARD}{path}", params=params, headers=headers)).status_code == 400


async def test_a_dependency_that_fails_is_told_and_is_no_error(app: Harness) -> None:
    async def broken() -> None:
        raise OSError("away")

    async def well() -> None: ...

    checks, _ = await Dashboard(app.db, app.clock, {"postgres": well, "redis": broken, "other": None}).health()
    assert {name: check.status for name, check in checks.items()} == {"postgres": "ok", "redis": "failed: OSError"}


async def test_only_administrators_of_the_platform_see_it(app: Harness) -> None:
    made = await application(app)
    _, moderator = await administrator(app, "PLATFORM_MODERATOR")
    own = bearer(await user_token(app, await member(app, made, "admin"), made.client))
    paths = [*(f"/dashboard{path}" for path in PAGES), "/security/threats", "/security/ip-reputation/192.0.2.1"]
    for path in paths:
        for headers, status in ((own, 403), (moderator, 403), ({}, 401)):
            assert (await app.http.get(f"{MANAGE}/api/admin{path}", headers=headers)).status_code == status
