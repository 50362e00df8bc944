"""POST /api/apps/{id}/service/policy/decide, GET and PUT /api/apps/{id}/policy."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from identry.flows.policy_decide.rules import InvalidAction, InvalidPolicy
from identry.flows.policy_decide.service import (
    BadSubject,
    NoPolicy,
    Policy,
    PolicyDecide,
    Question,
    UnknownPolicy,
    VersionConflict,
)
from identry.web.call import Call
from identry.web.operations import Guard, Operation

_TAG = "Applications"
_Text = Annotated[str, Meta(max_length=256)]
_Mode = Literal["off", "shadow", "enforce"]


class SubjectOf(msgspec.Struct):
    """Whom the decision is about: an access token (it tells how they signed in), or a number."""

    token: Annotated[str, Meta(max_length=16_384)] = ""
    user_id: Annotated[int, Meta(ge=1, le=2**53)] | None = None


class ResourceOf(msgspec.Struct, omit_defaults=True):
    """What the decision is about."""

    type: _Text | None = None
    id: _Text | None = None
    attributes: dict[str, Any] = {}


class ContextOf(msgspec.Struct, omit_defaults=True):
    """The request as the application saw it."""

    ip: _Text | None = None
    attributes: dict[str, Any] = {}


class DecideBody(msgspec.Struct):
    """May this be done? Without a subject: by the application itself."""

    action: Annotated[str, Meta(max_length=256, examples=["reports.read"])]
    subject: SubjectOf | None = None
    resource: ResourceOf | None = None
    context: ContextOf | None = None
    pep_mode: Annotated[
        Literal["", "off", "shadow", "enforce"], Meta(description="What the application does with it.")
    ] = ""


class Decision(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The decision. In `shadow` it is for comparison, in `enforce` it binds; `obligations` hold besides."""

    allow: bool
    reason: str
    policy_version: int
    mode: str
    rule: str = ""
    obligations: list[str] = []
    pep_mode_accepted: bool | None = None


class PolicyView(msgspec.Struct, frozen=True):
    """A policy; `version` is the `base_version` of the next change."""

    version: int
    mode: str
    rules: list[dict[str, Any]]
    created_at: datetime


class PolicyBody(msgspec.Struct):
    """The rules that shall count; `base_version` is the version that they replace, 0 for the first."""

    rules: Annotated[list[dict[str, Any]], Meta(max_length=200)]
    mode: _Mode
    base_version: Annotated[int, Meta(ge=0, le=2**31 - 2)]


class PolicyQuery(msgspec.Struct):
    """Which version; without it the one that counts."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


_RULE = {
    "id": "reports",
    "effect": "allow",
    "actions": ["reports.*"],
    "when": {"attr": "resource.type", "op": "eq", "value": "report"},
    "obligations": ["require_mfa"],
}


def operations(service: PolicyDecide) -> list[Operation]:
    """The room's rows of the operation table."""

    async def decide(call: Call) -> Decision:
        verdict, policy = await service(call.app, _question(call.body), call.origin)
        accepted = None if not call.body.pep_mode else call.body.pep_mode == policy.mode
        return Decision(
            allow=verdict.allow,
            reason=verdict.reason,
            policy_version=policy.version,
            mode=policy.mode,
            rule=verdict.rule,
            obligations=list(verdict.obligations),
            pep_mode_accepted=accepted,
        )

    async def read(call: Call) -> PolicyView:
        return _view(await service.read(call.app, call.query.version))

    async def put(call: Call) -> PolicyView:
        body: PolicyBody = call.body
        user = call.actor.user
        return _view(await service.put(call.app, body.rules, body.mode, body.base_version, user, call.origin))

    one = "/api/apps/{app_id:number}/policy"
    return [
        Operation(
            "POST",
            "/api/apps/{app_id:number}/service/policy/decide",
            decide,
            "Decide by the application's policy",
            _TAG,
            Guard.SERVICE,
            surface="api",
            reach="app.service",
            body=DecideBody,
            reply=Decision,
            errors=(InvalidAction, BadSubject, NoPolicy),
            description="Deny wins, and what no rule allows is denied. A condition that cannot be told allows "
            "nothing and, in a rule that denies, denies. Decisions are kept for 30 days, without attributes.",
            example={"action": "reports.read", "resource": {"type": "report", "id": "7"}},
        ),
        _row("GET", one, read, "Read the policy of an application", query=PolicyQuery, errors=(UnknownPolicy,)),
        _row("PUT", one, put, "Put a policy in place of the former one", body=PolicyBody,
             errors=(InvalidPolicy, VersionConflict), example={"rules": [_RULE], "mode": "shadow", "base_version": 0},
             description="Makes a new version; versions never change. Conditions are `attr`, `op` and `value`, or "
             "`all`, `any`, `not` of others; `attr` begins with `subject.`, `resource.` or `context.`."),
    ]  # fmt: skip


def _row(method: str, path: str, handler: Any, summary: str, **more: Any) -> Operation:
    return Operation(
        method,
        path,
        handler,
        summary,
        _TAG,
        Guard.APP_USER,
        surface="api",
        reach="app.manage",
        reply=PolicyView,
        **more,
    )


def _question(body: DecideBody) -> Question:
    subject = body.subject or SubjectOf()
    return Question(
        body.action,
        subject.token,
        subject.user_id,
        msgspec.to_builtins(body.resource) if body.resource else None,
        msgspec.to_builtins(body.context) if body.context else None,
        body.pep_mode,
    )


def _view(policy: Policy) -> PolicyView:
    return PolicyView(policy.version, policy.mode, policy.rules, policy.created_at)
