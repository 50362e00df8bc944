"""contracts/kit.md §3: RBAC and RequireTenant."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from identry_kit import context
from identry_kit.apierror import Forbidden
from identry_kit.httpware import RBAC, RequireTenant

ROLES = {"viewer": ["report:read"], "editor": ["report:read", "report:write"], "": ["report:read"]}


@pytest.mark.parametrize(
    ("role", "permission", "status"),
    [
        ("viewer", "report:read", 200),
        ("viewer", "report:write", 403),
        ("editor", "report:write", 200),
        ("Editor", "report:write", 403),
        ("editor", "report:*", 403),
        ("editor", "Report:write", 403),
        ("editor", "", 403),
        ("unknown", "report:read", 403),
        ("", "report:read", 403),
    ],
)
async def test_the_role_must_hold_the_permission(
    call: Any, reply: Any, caplog: pytest.LogCaptureFixture, role: str, permission: str, status: int
) -> None:
    app = RBAC(ROLES).require(permission)(reply())
    with context.use(context.Caller(role=role)):
        answer = await call(app)
    assert answer.status == status
    if status == 403:
        assert answer.body == b'{"error":{"code":"forbidden","message":"forbidden"}}'
        denied = caplog.records[-1]
        assert denied.getMessage() == "permission denied"
        assert (denied.role, denied.permission) == (role, permission)  # type: ignore[attr-defined]


def test_the_map_is_copied() -> None:
    roles = {"viewer": ["report:read"]}
    rbac = RBAC(roles)
    roles["viewer"].append("report:write")
    roles["intruder"] = ["report:write"]
    assert not rbac.allows("viewer", "report:write")
    assert not rbac.allows("intruder", "report:write")


def test_a_handler_may_check_for_itself() -> None:
    with context.use(context.Caller(role="viewer")), pytest.raises(Forbidden):
        RBAC(ROLES).check("report:write")


async def test_a_websocket_is_refused_before_it_is_accepted(call: Any, reply: Any) -> None:
    answer = await call(RBAC(ROLES).require("report:read")(reply()), kind="websocket")
    assert answer.messages == [{"type": "websocket.close", "code": 1008, "reason": "forbidden"}]


async def test_require_tenant(call: Any, reply: Any) -> None:
    answer = await call(RequireTenant(reply()))
    assert answer.status == 401
    assert answer.body == b'{"error":{"code":"unauthorized","message":"tenant context required"}}'
    with context.use(context.Caller(tenant_id=UUID(int=1))):
        assert (await call(RequireTenant(reply()))).status == 200


async def test_lifespan_passes_both(call: Any) -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "lifespan.startup.complete"})

    for guarded in (RequireTenant(app), RBAC({}).require("x")(app)):
        assert len((await call(guarded, kind="lifespan")).messages) == 1
