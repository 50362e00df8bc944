"""The rules of a policy, and what they say about a request: pure, no clock, no database.

Deny wins; without a rule that allows, the answer is no. A condition on something that the request does not hold, or
that cannot be compared, is neither true nor false: such a rule allows nothing, and if it denies, it denies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from identry_kit.apierror import BadRequest

OBLIGATIONS = ("require_fresh_auth", "require_mfa")
_ACTION = re.compile(r"[a-z0-9_-]{1,64}(?:\.[a-z0-9_-]{1,64}){0,9}")
_GLOB = re.compile(r"(?:\*|[a-z0-9_-]{1,64})(?:\.(?:\*|[a-z0-9_-]{1,64})){0,9}")
_ATTRIBUTE = re.compile(r"(?:subject|resource|context)(?:\.[A-Za-z0-9_-]{1,64}){1,4}|action")
_DEEPEST, _MOST = 8, 200
_MISSING = object()


class InvalidPolicy(BadRequest):
    """400: a rule cannot be read; the message says which and why."""

    message = "the policy cannot be read"


class InvalidAction(BadRequest):
    """400: no action, or one of the reserved namespace `admin`."""

    message = "invalid action: words of lower-case letters, digits, _ and -, joined by dots; not admin.*"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say; `rule` is the one that decided, empty when none did."""

    allow: bool
    rule: str
    reason: str
    obligations: tuple[str, ...] = ()


def require_action(action: str) -> None:
    """Refuse what is no action.

    Raises:
        InvalidAction: malformed, or reserved.
    """
    if not _ACTION.fullmatch(action) or action.partition(".")[0] == "admin":
        raise InvalidAction


def require_rules(rules: Sequence[Mapping[str, Any]]) -> None:
    """Refuse rules that could not be decided by.

    Raises:
        InvalidPolicy: the message names the rule.
    """
    if len(rules) > _MOST:
        raise InvalidPolicy(f"at most {_MOST} rules")
    names: set[str] = set()
    for position, rule in enumerate(rules, start=1):
        name = rule.get("id")
        where = f"rule {name or position}"
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) or name in names:
            raise InvalidPolicy(f"{where}: `id` is a name that no other rule has")
        names.add(name)
        if unknown := rule.keys() - {"id", "effect", "actions", "when", "obligations", "description"}:
            raise InvalidPolicy(f"{where}: {min(unknown)!r} is unknown")
        if rule.get("effect") not in {"allow", "deny"}:
            raise InvalidPolicy(f"{where}: `effect` is allow or deny")
        actions = rule.get("actions")
        if (
            not isinstance(actions, list)
            or not actions
            or not all(isinstance(a, str) and _GLOB.fullmatch(a) for a in actions)
        ):
            raise InvalidPolicy(f"{where}: `actions` are words joined by dots, * for any")
        if any(a not in OBLIGATIONS for a in rule.get("obligations", [])):
            raise InvalidPolicy(f"{where}: `obligations` are {', '.join(OBLIGATIONS)}")
        if "when" in rule:
            _require_condition(rule["when"], where, 0)


def _require_condition(condition: Any, where: str, depth: int) -> None:
    if not isinstance(condition, dict) or depth > _DEEPEST:
        raise InvalidPolicy(f"{where}: `when` is an object, at most {_DEEPEST} deep")
    for word in ("all", "any"):
        if condition.keys() == {word}:
            if not isinstance(condition[word], list) or not 0 < len(condition[word]) <= _MOST:
                raise InvalidPolicy(f"{where}: `{word}` holds conditions")
            for part in condition[word]:
                _require_condition(part, where, depth + 1)
            return
    if condition.keys() == {"not"}:
        _require_condition(condition["not"], where, depth + 1)
        return
    if not condition.keys() <= {"attr", "op", "value"} or condition.get("op") not in _OPERATORS:
        raise InvalidPolicy(f"{where}: a condition has attr, op ({', '.join(_OPERATORS)}) and value")
    if not isinstance(condition.get("attr"), str) or not _ATTRIBUTE.fullmatch(condition["attr"]):
        raise InvalidPolicy(f"{where}: `attr` begins with subject., resource. or context., or is action")
    if condition["op"] != "exists" and "value" not in condition:
        raise InvalidPolicy(f"{where}: `value` is missing")
    if condition["op"] in {"in", "not_in", "cidr"} and not isinstance(condition["value"], list | str):
        raise InvalidPolicy(f"{where}: `value` is a list")


def judge(rules: Sequence[Mapping[str, Any]], action: str, request: Mapping[str, Any]) -> Verdict:
    """What checked rules say about an action; `request` holds `subject`, `resource` and `context`."""
    allowed: Mapping[str, Any] | None = None
    for rule in rules:
        if not any(_covers(glob, action) for glob in rule["actions"]):
            continue
        held = _holds(rule["when"], {**request, "action": action}) if "when" in rule else True
        if rule["effect"] == "deny" and held is not False:
            return Verdict(False, rule["id"], "denied" if held else "denied: a condition cannot be told")
        if rule["effect"] == "allow" and held is True and allowed is None:
            allowed = rule
    if allowed is None:
        return Verdict(False, "", "no rule allows it")
    return Verdict(True, allowed["id"], "allowed", tuple(allowed.get("obligations", ())))


def _covers(glob: str, action: str) -> bool:
    """`*` is one word, and as the last one everything that follows."""
    patterns, words = glob.split("."), action.split(".")
    if patterns[-1] == "*" and len(words) > len(patterns):
        words = words[: len(patterns)]
    return len(patterns) == len(words) and all(p in {"*", w} for p, w in zip(patterns, words, strict=True))


Truth = bool | None


def _holds(condition: Mapping[str, Any], request: Mapping[str, Any]) -> Truth:
    if "all" in condition:
        parts = [_holds(part, request) for part in condition["all"]]
        return False if False in parts else None if None in parts else True
    if "any" in condition:
        parts = [_holds(part, request) for part in condition["any"]]
        return True if True in parts else None if None in parts else False
    if "not" in condition:
        inner = _holds(condition["not"], request)
        return None if inner is None else not inner
    found = _look(condition["attr"], request)
    if condition["op"] == "exists":
        return (found is not _MISSING) is (condition.get("value") is not False)
    if found is _MISSING:
        return None
    try:
        return _OPERATORS[condition["op"]](found, condition["value"])
    except (TypeError, ValueError):
        return None


def _look(attribute: str, request: Mapping[str, Any]) -> Any:
    value: Any = request
    for word in attribute.split("."):
        if not isinstance(value, Mapping) or word not in value or value[word] is None:
            return _MISSING
        value = value[word]
    return value


def _same(found: Any, value: Any) -> bool:
    """Equal and of one kind: `true` is not 1."""
    return isinstance(found, bool) == isinstance(value, bool) and bool(found == value)


def _order(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Truth]:
    def compare(found: Any, value: Any) -> Truth:
        if isinstance(found, bool) or isinstance(value, bool) or isinstance(found, str) != isinstance(value, str):
            return None
        return bool(test(found, value))

    return compare


def _contains(found: Any, value: Any) -> Truth:
    if isinstance(found, str):
        return value in found if isinstance(value, str) else None
    return any(_same(item, value) for item in found) if isinstance(found, list | tuple) else None


def _starts_with(found: Any, value: Any) -> Truth:
    return found.startswith(value) if isinstance(found, str) and isinstance(value, str) else None


def _cidr(found: Any, value: Any) -> Truth:
    networks = [value] if isinstance(value, str) else value
    address = ip_address(found)
    return any(address in ip_network(network, strict=False) for network in networks)


_Operator = Literal["eq", "ne", "in", "not_in", "contains", "lt", "lte", "gt", "gte", "starts_with", "cidr", "exists"]
_OPERATORS: Mapping[str, Callable[[Any, Any], Truth]] = {
    "eq": _same,
    "ne": lambda found, value: not _same(found, value),
    "in": lambda found, value: any(_same(found, item) for item in value),
    "not_in": lambda found, value: not any(_same(found, item) for item in value),
    "contains": _contains,
    "lt": _order(lambda found, value: found < value),
    "lte": _order(lambda found, value: found <= value),
    "gt": _order(lambda found, value: found > value),
    "gte": _order(lambda found, value: found >= value),
    "starts_with": _starts_with,
    "cidr": _cidr,
    "exists": lambda _found, _value: True,
}
