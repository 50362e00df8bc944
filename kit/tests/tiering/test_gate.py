"""contracts/kit.md §6: the gate, its three denials, its log line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rows import every

from identry_kit import context
from identry_kit.apierror import to_problem
from identry_kit.tiering import Gate, PlanRegistry, PlanRequired


@every(
    ("plan", "required", "status"),
    [
        ("freemium", "freemium", 200),
        ("freemium", "pro", 403),
        ("pro", "pro", 200),
        ("pro", "enterprise", 403),
        ("enterprise", "pro", 200),
        ("", "freemium", 200),
        ("nobody sells this", "freemium", 200),
        ("nobody sells this", "pro", 403),
        ("PRO", "pro", 403),
    ],
)
async def test_the_callers_plan_decides(call: Any, reply: Any, plan: str, required: str, status: int) -> None:
    app = Gate().require(required)(reply())
    with context.use(context.Caller(plan=plan)):
        assert (await call(app)).status == status


async def test_an_anonymous_caller_has_the_lowest_plan(call: Any, reply: Any) -> None:
    assert (await call(Gate().require("freemium")(reply()))).status == 200
    assert (await call(Gate().require("pro")(reply()))).status == 403


MESSAGE = '"message":"This feature requires the pro plan or above"'
PLANS = '"plan":"freemium","requiredPlan":"pro"'
BODIES = [
    ({"upgrade_url": "/billing"}, '{"error":"plan_required","upgradeUrl":"/billing"}'),
    ({}, '{"error":"plan_required"}'),
    (
        {"body": "v1", "upgrade_url": "/billing"},
        f'{{"error":"upgrade_required",{MESSAGE},{PLANS},"upgradeUrl":"/billing"}}',
    ),
    ({"body": "v1"}, f'{{"error":"upgrade_required",{MESSAGE},{PLANS}}}'),
    (
        {"body": "envelope", "upgrade_url": "/billing"},
        f'{{"error":{{"code":"upgrade_required",{MESSAGE},"details":{{{PLANS},"upgradeUrl":"/billing"}}}}}}',
    ),
    ({"body": "envelope"}, f'{{"error":{{"code":"upgrade_required",{MESSAGE},"details":{{{PLANS}}}}}}}'),
]


@every(("options", "body"), BODIES)
async def test_the_denial_reads_as_chosen(call: Any, reply: Any, options: dict[str, Any], body: str) -> None:
    answer = await call(Gate(**options).require("pro")(reply()))
    assert answer.status == 403
    assert answer.body.decode() == body
    assert answer.headers["content-type"] == "application/json"


async def test_a_denial_may_be_a_problem_document(call: Any, reply: Any) -> None:
    gate = Gate(upgrade_url="/billing", body="envelope", on_error=to_problem)
    answer = await call(gate.require("pro")(reply()))
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["code"] == "upgrade_required"
    assert problem["details"]["upgradeUrl"] == "/billing"


async def test_a_denial_leaves_one_line(call: Any, reply: Any, caplog: pytest.LogCaptureFixture) -> None:
    with context.use(context.Caller(plan="gold"), request_id="r1"):
        await call(Gate().require("enterprise")(reply()))
    [line] = caplog.records
    assert (line.levelname, line.getMessage()) == ("WARNING", "plan gate: upgrade required")
    fields = (line.user_plan, line.required_plan, line.request_id)  # type: ignore[attr-defined]
    assert fields == ("freemium", "enterprise", "r1")


async def test_who_is_let_in_leaves_no_line(call: Any, reply: Any, caplog: pytest.LogCaptureFixture) -> None:
    await call(Gate().require("freemium")(reply()))
    assert not caplog.records


def test_a_plan_that_does_not_exist_is_an_error_where_it_is_written() -> None:
    gate = Gate()
    for build in (gate.require, gate.dependency, gate.guard, gate.check):
        with pytest.raises(ValueError, match="no such plan: 'Pro'"):
            build("Pro")
    with pytest.raises(ValueError, match="no such plan"):
        Gate(PlanRegistry()).require("pro")


def test_a_body_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="body is"):
        Gate(body="v2")  # type: ignore[arg-type]


def test_a_handler_may_check_for_itself() -> None:
    gate = Gate(PlanRegistry("starter", "growth"), upgrade_url="/up")
    with context.use(context.Caller(plan="growth")):
        gate.check("growth")
    with context.use(context.Caller(plan="pro")), pytest.raises(PlanRequired) as denied:
        gate.check("growth")
    assert (denied.value.plan, denied.value.required_plan, denied.value.status) == ("starter", "growth", 403)


async def test_a_websocket_is_refused_before_it_is_accepted(call: Any, reply: Any) -> None:
    answer = await call(Gate().require("pro")(reply()), kind="websocket")
    assert answer.messages == [{"type": "websocket.close", "code": 1008, "reason": "plan_required"}]


async def test_lifespan_passes(call: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})

    assert len((await call(Gate().require("enterprise")(app), kind="lifespan")).messages) == 1
