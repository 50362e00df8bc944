"""The catalogue: every permission that this product knows, and the groups that every tenant has.

Keys are opaque to everything else: a tenant may grant keys that only another service knows. Source:
contracts/browser-api.md §9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EVERYTHING = "*"
_KEY = re.compile(r"[a-z0-9*][a-z0-9._:*-]{0,99}", re.ASCII)
_SEPARATORS = (":", ".")

_EDIT = ("read", "create", "update", "delete")
_FLOW = ("read", "create", "update")
_MANAGE = ("read", "manage")
_RESOURCES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("inventory", "assets", _EDIT),
    ("inventory", "sites", _EDIT),
    ("inventory", "vendors", _EDIT),
    ("service", "incidents", _EDIT),
    ("service", "problems", _EDIT),
    ("service", "changes", _EDIT),
    ("service", "service-requests", _FLOW),
    ("service", "releases", _FLOW),
    ("service", "maintenance", _FLOW),
    ("documentation", "knowledge", _EDIT),
    ("documentation", "diagrams", _EDIT),
    ("security", "security", _MANAGE),
    ("security", "compliance", _MANAGE),
    ("security", "vulnerabilities", _MANAGE),
    ("security", "vpn", _MANAGE),
    ("security", "backup", _MANAGE),
    ("administration", "settings", _MANAGE),
    ("administration", "users", ("read", "invite", "manage")),
    ("administration", "rbac", _MANAGE),
)
_NAMES = {"vpn": "VPN", "rbac": "groups and permissions"}
_VERBS = {"read": "See", "create": "Create", "update": "Change", "delete": "Delete", "manage": "Manage"}
_NOT_READ_ONLY = frozenset({"maintenance", "vpn", "backup"})


@dataclass(frozen=True, slots=True)
class Permission:
    """One permission of the catalogue.

    Attributes:
        key: `resource:action`.
        resource, action: its halves.
        module: the part of the product that it belongs to.
        label: for a person who ticks boxes.
    """

    key: str
    resource: str
    action: str
    module: str
    label: str


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A group that every tenant has and nobody changes."""

    name: str
    description: str
    permissions: tuple[str, ...]


def _label(resource: str, action: str) -> str:
    name = _NAMES.get(resource, resource.replace("-", " "))
    return f"{_VERBS.get(action, action.capitalize())} {name}"


CATALOGUE: dict[str, Permission] = {
    f"{resource}:{action}": Permission(f"{resource}:{action}", resource, action, module, _label(resource, action))
    for module, resource, actions in _RESOURCES
    for action in actions
}

BUILT_INS = (
    BuiltIn("Admin", "May do everything.", (EVERYTHING,)),
    BuiltIn(
        "Read only",
        "Sees everything except maintenance, VPN and backup.",
        tuple(sorted(p.key for p in CATALOGUE.values() if p.action == "read" and p.resource not in _NOT_READ_ONLY)),
    ),
)

_ALIASES = {
    alias: f"{resource}:{action}"
    for _, resource, actions in _RESOURCES
    for action in (*actions, EVERYTHING)
    for alias in (f"{resource}.{action}", f"settings.{resource}.{action}")
}
"""The dotted names of the user guide (`settings.users.read`) → the keys that are stored."""


def canonical(text: str) -> str:
    """The key that is stored for what somebody wrote: trimmed, an alias replaced, anything well-formed as it is.

    Raises:
        ValueError: it is no permission key, or has a `*` that is neither the whole nor what follows the last separator.
    """
    key = text.strip()
    if not _KEY.fullmatch(key):
        raise ValueError("is no permission: lower-case letters, digits and . _ : - up to 100 characters")
    star = key.find(EVERYTHING)
    if star >= 0 and key != EVERYTHING and (star != len(key) - 1 or key[star - 1] not in _SEPARATORS):
        raise ValueError("may have a * only as the whole, or after the last separator: incidents:*")
    return _ALIASES.get(key, key)
