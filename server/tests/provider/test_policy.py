"""The policy decision point: rules, versions, modes, subjects (contracts/provider-api.md §11)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from harness import Harness
from provider.applications import App, application
from provider.callers import MANAGE, bearer, member, number_of, service_token, user_token
from rows import every

from identry.flows.policy_decide import queries
from identry.flows.policy_decide.rules import InvalidPolicy, judge, require_rules

Rule = dict[str, Any]


def rule(name: str, effect: str = "allow", actions: str = "doc.read", when: Any = None, **more: Any) -> Rule:
    return {"id": name, "effect": effect, "actions": actions.split(), **({"when": when} if when else {}), **more}


def cond(attr: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"attr": attr, "op": op, **({} if value is None else {"value": value})}


REQUEST: dict[str, Any] = {
    "subject": {"type": "user", "id": 7, "role": "editor", "amr": ["pwd", "otp"], "auth_age": 20},
    "resource": {"type": "doc", "attributes": {"owner": 7, "draft": True, "tags": ["a", "b"], "size": 3, "none": None}},
    "context": {"ip": "192.0.2.7", "attributes": {"hour": 9}},
}
_A = "resource.attributes."
CONDITIONS: list[tuple[dict[str, Any], bool | None]] = [
    (cond("resource.type", "eq", "doc"), True),
    (cond("resource.type", "ne", "doc"), False),
    (cond(f"{_A}draft", "eq", 1), False),
    (cond(f"{_A}draft", "eq", True), True),
    (cond("subject.role", "in", ["admin", "editor"]), True),
    (cond("subject.role", "not_in", ["admin", "editor"]), False),
    (cond("subject.amr", "contains", "otp"), True),
    (cond(f"{_A}tags", "contains", "c"), False),
    (cond("subject.role", "contains", "dit"), True),
    (cond(f"{_A}size", "contains", 3), None),
    (cond("subject.auth_age", "lt", 300), True),
    (cond("subject.auth_age", "gte", 20), True),
    (cond("subject.auth_age", "gt", 20), False),
    (cond(f"{_A}size", "lte", "9"), None),
    (cond(f"{_A}draft", "lt", 3), None),
    (cond("resource.type", "starts_with", "do"), True),
    (cond(f"{_A}size", "starts_with", "3"), None),
    (cond("context.ip", "cidr", ["10.0.0.0/8", "192.0.2.0/24"]), True),
    (cond("context.ip", "cidr", "2001:db8::/32"), False),
    (cond("context.ip", "cidr", "not a network"), None),
    (cond("subject.role", "cidr", "10.0.0.0/8"), None),
    (cond(f"{_A}owner", "exists"), True),
    (cond(f"{_A}nobody", "exists"), False),
    (cond(f"{_A}none", "exists"), False),
    (cond(f"{_A}nobody", "exists", False), True),
    (cond(f"{_A}nobody", "ne", "x"), None),
    ({"not": cond(f"{_A}nobody", "eq", "x")}, None),
    ({"all": [cond("resource.type", "eq", "doc"), cond(f"{_A}nobody", "eq", 1)]}, None),
    ({"all": [cond("resource.type", "eq", "x"), cond(f"{_A}nobody", "eq", 1)]}, False),
    ({"any": [cond("resource.type", "eq", "doc"), cond(f"{_A}nobody", "eq", 1)]}, True),
    ({"any": [cond("resource.type", "eq", "x"), cond(f"{_A}nobody", "eq", 1)]}, None),
]


def test_every_operator_is_true_false_or_unknown_and_the_unknown_denies() -> None:
    for when, expected in CONDITIONS:
        allows, denies = rule("r", when=when), rule("d", "deny", when=when)
        require_rules([allows, denies])
        assert judge([allows], "doc.read", REQUEST).allow is (expected is True), when
        assert judge([rule("any"), denies], "doc.read", REQUEST).allow is (expected is False), when


def test_deny_wins_wherever_it_stands_and_nothing_is_allowed_by_itself() -> None:
    both = [rule("may", obligations=["require_mfa"]), rule("may-not", "deny", "doc.*")]
    for rules in (both, both[::-1]):
        verdict = judge(rules, "doc.read", REQUEST)
        assert (verdict.allow, verdict.rule, verdict.obligations) == (False, "may-not", ())
    assert judge(both, "report.read", REQUEST).reason == "no rule allows it"
    assert judge([], "doc.read", REQUEST).allow is False
    assert judge(both[:1], "doc.read", REQUEST).obligations == ("require_mfa",)


def test_a_star_is_one_word_and_at_the_end_all_that_follow() -> None:
    for glob, action, expected in (
        ("doc.*", "doc.read", True), ("doc.*", "doc.read.all", True), ("doc.*", "doc", False), ("*", "a.b.c", True),
        ("*.read", "doc.read", True), ("*.read", "doc.write", False), ("*.read", "doc.x.read", False),
        ("doc.*.all", "doc.read.all", True), ("doc.*.all", "doc.all", False), ("doc", "docs", False),
    ):  # fmt: skip
        assert judge([rule("r", actions=glob)], action, REQUEST).allow is expected, (glob, action)


@every(
    "bad",
    [
        [rule("a"), rule("a")], [rule("")], [rule("a", "maybe")], [{**rule("a"), "actions": []}],
        [rule("a", actions="Doc.Read")], [rule("a", obligations=["dance"])], [rule("a", surprise=1)],
        [rule("a", when={"all": []})], [rule("a", when={"attr": "user.id", "op": "eq", "value": 1})],
        [rule("a", when=cond("subject.id", "matches", "x"))], [rule("a", when=cond("subject.id", "eq"))],
        [rule("a", when=cond("subject.id", "in", 3))], [rule("a", when={"all": [], "any": []})],
        [rule("a", when=cond("subject.__class__", "eq", 1) | {"attr": "subject.a b"})], [rule("r")] * 201,
    ],
)  # fmt: skip
def test_rules_that_cannot_be_decided_by_are_refused(bad: list[Rule]) -> None:
    with pytest.raises(InvalidPolicy):
        require_rules(bad)


class Decider:
    """An application with an administrator, and its policy."""

    def __init__(self, app: Harness, made: App, admin: dict[str, str], service: dict[str, str]) -> None:
        self._app, self.made, self._admin, self._service = app, made, admin, service
        self._base = f"{MANAGE}/api/apps/{made.client.number}"

    async def put(self, rules: list[Rule], mode: str = "enforce", base: int = 0) -> Any:
        body = {"rules": rules, "mode": mode, "base_version": base}
        return await self._app.http.put(f"{self._base}/policy", json=body, headers=self._admin)

    async def read(self, **query: int) -> Any:
        return await self._app.http.get(f"{self._base}/policy", params=query, headers=self._admin)

    async def ask(self, action: str = "doc.read", **more: Any) -> Any:
        body = {"action": action, **more}
        return await self._app.http.post(f"{self._base}/service/policy/decide", json=body, headers=self._service)


async def decider(app: Harness) -> Decider:
    made = await application(app, grant_types=["client_credentials", "authorization_code"])
    admin = await member(app, made, "admin")
    return Decider(app, made, bearer(await user_token(app, admin, made.client)), bearer(await service_token(app, made)))


async def test_without_a_policy_nothing_is_decided(app: Harness) -> None:
    it = await decider(app)
    reply = await it.ask()
    assert (reply.status_code, reply.json()["mode"]) == (503, "off")
    assert (await it.read()).status_code == 404


async def test_versions_never_change_and_of_two_authors_one_is_told(app: Harness) -> None:
    it = await decider(app)
    first = await it.put([rule("one")], "shadow")
    assert (first.status_code, first.json()["version"]) == (200, 1)
    same = await it.put([rule("one")], "enforce", base=1)
    assert (same.json()["version"], same.json()["mode"]) == (1, "enforce")
    replies = await asyncio.gather(*(it.put([rule(f"two-{i}")], base=1) for i in range(10)))
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 9
    assert (await it.read()).json()["version"] == 2
    assert [r["id"] for r in (await it.read(version=1)).json()["rules"]] == ["one"]
    assert (await it.read(version=3)).status_code == 404
    assert (await it.put([rule("x", "maybe")], base=2)).status_code == 400


async def test_a_decision_says_by_what_and_how_it_counts(app: Harness) -> None:
    it = await decider(app)
    await it.put([rule("reads", when=cond("resource.type", "eq", "doc"), obligations=["require_fresh_auth"])])
    reply = await it.ask(resource={"type": "doc", "id": "7", "attributes": {"secret": "canary"}}, pep_mode="shadow")
    assert reply.json() == {
        "allow": True, "rule": "reads", "reason": "allowed", "obligations": ["require_fresh_auth"],
        "policy_version": 1, "mode": "enforce", "pep_mode_accepted": False,
    }  # fmt: skip
    denied = (await it.ask("doc.write")).json()
    assert (denied["allow"], denied["reason"], "rule" in denied) == (False, "no rule allows it", False)
    rows = await app.db.fetch("SELECT d::text FROM policy_decisions d WHERE client_id = $1", it.made.client.id)
    assert len(rows) == 2
    assert "canary" not in str(rows)
    await it.put([rule("reads")], "off", base=1)
    assert (await it.ask("doc.write")).json() == {
        "allow": True, "reason": "the policy is off", "policy_version": 2, "mode": "off",
    }  # fmt: skip
    assert await queries.prune(app.db, app.clock.now() + timedelta(days=1)) >= 3


async def test_whom_it_is_about_is_proven_or_a_member(app: Harness) -> None:
    it = await decider(app)
    other = await application(app)
    person, stranger = await member(app, it.made, "editor"), await app.make_user()
    token = await user_token(app, person, it.made.client)
    editor = {"all": [cond("subject.role", "eq", "editor"), cond("subject.type", "eq", "user")]}
    fresh = rule("fresh", actions="doc.write", when=cond("subject.auth_age", "lt", 300))
    await it.put([rule("editors", when=editor), fresh])
    number = await number_of(app, person)
    assert (await it.ask(subject={"token": token})).json()["allow"] is True
    assert (await it.ask("doc.write", subject={"token": token})).json()["allow"] is True
    assert (await it.ask(subject={"user_id": number})).json()["allow"] is True
    assert (await it.ask("doc.write", subject={"user_id": number})).json()["allow"] is False
    assert (await it.ask()).json()["allow"] is False
    for subject in (
        {"token": "forged"},
        {"token": await user_token(app, person, other.client)},
        {"user_id": await number_of(app, stranger)},
        {"user_id": 999_999_999},
    ):
        reply = await it.ask(subject=subject)
        assert (reply.status_code, "invalid subject" in reply.json()["error"]) == (400, True)
    for action in ("admin.users.delete", "admin", "Doc.Read", "a..b", "*", ""):
        assert (await it.ask(action)).status_code == 400
