"""A refused or failed request's lines say whose it was and in which company, as far as that is known."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
import structlog
from harness import Servers, running

from identry.core import observability
from identry_kit import context

PLAN = "INSERT INTO company_entitlements (company_id, plan, updated_at) VALUES ($1, 'gone', now())"


async def test_an_error_names_its_user_and_company_where_they_are_known(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    before = structlog.get_config()
    observability.configure(request_id=context.request_id)
    ours, other = uuid4(), uuid4()
    expected: dict[str, tuple[str | None, str]] = {}
    async with running(servers) as app:
        person = await app.signed_in()
        await app.join(person, ours, "OWNER")
        await app.db.execute(PLAN, ours)
        user, bearer = str(person.id), person.bearer
        cases = [
            ("GET", "/auth/me/access", {**bearer, "x-org": str(other)}, 403, (user, str(other))),
            ("GET", "/auth/me/access", {**bearer, "x-org": str(ours)}, 503, (user, str(ours))),
            ("GET", "/auth/me/access", bearer, 400, (user, "")),
            ("GET", f"/internal/companies/{other}/users", bearer, 403, (user, str(other))),
            ("GET", f"/internal/companies/{other}/users", {}, 401, (None, str(other))),
            ("GET", "/internal/users", bearer, 403, (user, "")),
            ("GET", "/internal/users/nobody", bearer, 400, (user, "")),
            ("POST", "/auth/logout-all", bearer, 200, (None, "")),
            ("GET", "/auth/me", bearer, 401, (user, "")),  # the token is genuine, its session is over
            ("GET", "/auth/me", {"Authorization": "Bearer nobody's"}, 401, (None, "")),
        ]
        for method, path, headers, status, whose in cases:
            mark = f"r-{uuid4()}"
            reply = await app.http.request(method, path, headers={**headers, "X-Request-ID": mark})
            assert reply.status_code == status, (method, path, reply.text)
            expected[mark] = whose

    structlog.configure(**before)
    told: dict[str, list[tuple[str | None, str]]] = {}
    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        if line["event"].startswith("request "):  # completed, failed
            told.setdefault(line["request_id"], []).append((line.get("user_id"), line.get("tenant_id", "")))
    for mark, whose in expected.items():
        assert set(told[mark]) == {whose}, mark
    assert max(len(told[mark]) for mark in expected) == 2, "a 5xx has a line of its own"
