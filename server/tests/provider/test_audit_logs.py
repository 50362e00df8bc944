"""The audit log as administrators find it, read it and take it along."""

from __future__ import annotations

import csv
import io
import json
import secrets
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from harness import Harness
from provider.applications import application
from provider.callers import MANAGE, administrator, bearer, member, number_of, user_token

from identry.core.origin import Origin
from identry.flows.audit_logs import service as audit_logs
from identry.flows.audit_logs.views import cell

LOGS = f"{MANAGE}/api/admin/logs"


async def told(app: Harness, event: str, count: int, ip: str, **more: Any) -> None:
    """Entries of an event, from an address, each in a millisecond of its own: within one their order is random."""
    audit = app.app.engines.audit
    for number in range(count):
        app.clock.advance(0.002)
        more.setdefault("actor", "machine")
        await audit.record(app.db, event, Origin(ip, f"=cmd|{number}", "r"), **{"details": {"n": number}, **more})


async def get(app: Harness, headers: dict[str, str], path: str = "", **params: Any) -> Any:
    reply = await app.http.get(LOGS + path, params=params, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_entries_are_found_by_what_is_asked_and_by_nothing_else(app: Harness) -> None:
    person, headers = await administrator(app, "PLATFORM_ADMIN")
    made = await application(app)
    target = await member(app, made, "user")
    ip, mark = str(ip_address(app.fresh_ip())), f"test{secrets.token_hex(4)}"
    await told(app, f"{mark}.setting", 1, ip, actor=person.id)
    await told(app, f"{mark}.user", 1, ip, actor=person.id, target=target.id, success=False)
    await told(app, f"{mark}.app", 1, ip, actor="machine", details={"client": made.client.client_id})
    await told(app, "auth.login.failed", 1, ip, actor="anonymous", target=target.id, success=False)
    await told(app, "auth.refresh.rotated", 1, ip, actor=target.id)
    admin, user = await number_of(app, person), await number_of(app, target)
    setting, of_user, of_app = f"{mark}.setting", f"{mark}.user", f"{mark}.app"
    asked: list[tuple[dict[str, Any], set[str]]] = [
        ({"ip": f"[{ip}]:99"}, {setting, of_user, of_app, "auth.login.failed"}),
        ({"ip": ip, "kind": "administration"}, {setting, of_user, of_app}),
        ({"ip": ip, "action": "auth.login.failed"}, {"auth.login.failed"}),
        ({"action": f"{mark}.*"}, {setting, of_user, of_app}),
        ({"action": of_user}, {of_user}),
        ({"admin_id": admin}, {setting, of_user}),
        ({"user_id": user, "success": "false"}, {of_user, "auth.login.failed"}),
        ({"action": f"{mark}.*", "success": "true"}, {setting, of_app}),
        ({"action": f"{mark}.*", "target_type": "settings"}, {setting}),
        ({"action": f"{mark}.*", "target_type": "user"}, {of_user}),
        ({"action": f"{mark}.*", "target_type": "application"}, {of_app}),
        ({"app_id": made.client.number}, {of_app}),
        ({"admin_id": 999999999}, set()),
        ({"action": "%"}, set()),
    ]  # fmt: skip
    for params, expected in asked:
        found = await get(app, headers, **params)
        assert {entry["action"] for entry in found["logs"]} == expected, params
        assert found["total_count"] == len(expected), params
    (entry,) = (await get(app, headers, action=of_user))["logs"]
    assert (entry["admin_id"], entry["admin_email"]) == (admin, person.email)
    assert (entry["target_type"], entry["target_id"], entry["target_name"]) == ("user", user, target.email)
    assert (entry["success"], entry["ip_address"], entry["details"]) == (False, ip, {"n": 0})
    for name in (str(entry["id"]), entry["audit_id"]):
        assert await get(app, headers, f"/{name}") == entry
    (entry,) = (await get(app, headers, action=of_app))["logs"]
    assert (entry["target_type"], entry["target_id"]) == ("application", made.client.number)


async def test_spans_of_time_and_cursors_tell_every_entry_once(app: Harness) -> None:
    _, headers = await administrator(app)
    mark = f"test{secrets.token_hex(4)}.x"
    ip = app.fresh_ip()
    begin = app.clock.now()
    await told(app, mark, 3, ip)
    app.clock.advance(60)
    middle = app.clock.now() - timedelta(seconds=1)
    await told(app, mark, 4, ip)
    seen: list[int] = []
    params: dict[str, Any] = {"action": mark, "page_size": 3}
    for _ in range(3):
        page = await get(app, headers, **params)
        assert page["total_count"] == 7
        seen += [entry["details"]["n"] for entry in page["logs"]]
        params["cursor"] = page["next_cursor"]
        await told(app, mark.replace(".x", ".y"), 1, ip)
    assert (seen, page["next_cursor"]) == ([3, 2, 1, 0, 2, 1, 0], None)
    by_number = [await get(app, headers, action=mark, page_size=3, page=n) for n in (1, 2, 3, 4)]
    assert [entry["details"]["n"] for page in by_number for entry in page["logs"]] == seen
    later = await get(app, headers, action=mark, start_date=middle.isoformat())
    assert later["total_count"] == 4
    earlier = await get(app, headers, action=mark, start_date=begin.isoformat(), end_date=middle.isoformat())
    assert earlier["total_count"] == 3


async def test_what_cannot_be_read_is_refused(app: Harness) -> None:
    _, headers = await administrator(app)
    for params in (
        {"cursor": "x"}, {"start_date": "yesterday"}, {"start_date": "2026-01-01T00:00:00"}, {"admin_id": "-1"},
        {"target_type": "x"}, {"ip": "nowhere"}, {"success": "perhaps"}, {"kind": "x"},
    ):  # fmt: skip
        for path in ("", "/export"):
            reply = await app.http.get(LOGS + path, params=params, headers=headers)
            assert reply.status_code == 400, (params, reply.text)
    for params in ({"format": "xlsx"}, {"limit": "0"}, {"limit": "100001"}):
        assert (await app.http.get(f"{LOGS}/export", params=params, headers=headers)).status_code == 400
    for name in ("x", "0", "9" * 19, "9" * 40, "-1", str(UUID(int=5)), "g" * 36):
        gone = await app.http.get(f"{LOGS}/{name}", headers=headers)
        assert (gone.status_code, gone.json()) == (404, {"error": "log entry not found"}), name
    made = await application(app)
    own = bearer(await user_token(app, await member(app, made, "admin"), made.client))
    for path in ("", "/export", "/1"):
        assert (await app.http.get(LOGS + path, headers=own)).status_code == 403
        assert (await app.http.get(LOGS + path)).status_code == 401


async def test_a_file_holds_every_entry_in_order_and_no_formula(app: Harness, monkeypatch: Any) -> None:
    monkeypatch.setattr(audit_logs, "BATCH", 3)
    person, headers = await administrator(app)
    mark = f"test{secrets.token_hex(4)}.x"
    await told(app, mark, 7, app.fresh_ip())
    asked = {"action": mark}
    reply = await app.http.get(f"{LOGS}/export", params=asked, headers=headers)
    assert reply.status_code == 200
    assert reply.headers["content-disposition"] == 'attachment; filename="audit-log.csv"'
    assert reply.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [json.loads(row["details"])["n"] for row in rows] == [6, 5, 4, 3, 2, 1, 0]
    assert rows[0]["user_agent"] == "'=cmd|6"
    assert (rows[0]["success"], rows[0]["admin_email"], rows[0]["actor_type"]) == ("true", "", "machine")
    lines = await app.http.get(f"{LOGS}/export", params={**asked, "format": "ndjson", "limit": 4}, headers=headers)
    shown = [json.loads(line) for line in lines.text.splitlines()]
    assert [entry["details"]["n"] for entry in shown] == [6, 5, 4, 3]
    assert shown == (await get(app, headers, **asked))["logs"][:4]
    rest = await app.http.get(f"{LOGS}/export", params={**asked, "cursor": shown[-1]["audit_id"]}, headers=headers)
    assert rest.text.count("\r\n") == 4
    nothing = {"action": "no.such", "format": "ndjson"}
    assert (await app.http.get(f"{LOGS}/export", params=nothing, headers=headers)).content == b""
    assert (await app.http.head(f"{LOGS}/export", params=asked, headers=headers)).content == b""
    exports = [json.loads(row["details"]) for row in await app.audit("audit.exported", actor_user_id=person.id)]
    assert exports[0] == {"format": "csv", "limit": 10_000, "asked": {"action": mark}}


def test_cells_that_a_spreadsheet_would_compute_are_text() -> None:
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"):
        assert cell(text) == "'" + text
    assert [cell(value) for value in ("a=1", "", None, True, 5, {"a": "=1"})] == [
        "a=1",
        "",
        "",
        "true",
        "5",
        '{"a":"=1"}',
    ]
