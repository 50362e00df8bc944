"""A request of any operation of the surface, with targets of the caller's own tenant and of the other one.

What a path parameter names is told by the segment before it (`/groups/{…}`: a group). What a field holds is told by its
name, or by the operation's example. Nothing here knows a single route.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_type_hints
from urllib.parse import urlencode
from uuid import UUID, uuid4

import msgspec
from harness import PASSWORD

from identry.web.openapi.document import template
from identry.web.operations import Operation
from two_tenants.sides import Caller, Side

OF_TENANT, OF_CALLER = "tenant", "caller"
POOLS: dict[str, tuple[str, str]] = {
    "users": (OF_TENANT, "SELECT user_id FROM tenant_members WHERE tenant_id = $1"),
    "members": (OF_TENANT, "SELECT user_id FROM tenant_members WHERE tenant_id = $1"),
    "groups": (OF_TENANT, "SELECT id FROM groups WHERE tenant_id = $1"),
    "domains": (OF_TENANT, "SELECT domain FROM tenant_domains WHERE tenant_id = $1"),
    "sso": (OF_TENANT, "SELECT slug FROM tenants WHERE id = $1"),
    "sessions": (OF_CALLER, "SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL"),
    "identities": (OF_CALLER, "SELECT id FROM identities WHERE user_id = $1"),
    "passkeys": (OF_CALLER, "SELECT id FROM passkeys WHERE user_id = $1"),
    "invitations": (OF_TENANT, "SELECT id FROM invitations WHERE company_id = $1"),
}
"""What the word before a path parameter stands for: things that `$1`, the tenant or the caller, owns. A parameter whose
name is one of `FIELDS` (`{token}`) holds what that field does."""

TARGETS = {"user_id": "users", "group_ids": "groups", "default_group_ids": "groups"}
"""Fields that name such things."""

FIELDS: dict[str, Callable[[Maker], Any]] = {
    "email": lambda m: m.address(),
    "password": lambda _: "not the password",
    "current_password": lambda m: PASSWORD if m.rng.random() < 0.8 else "not the password",
    "new_password": lambda _: PASSWORD,
    "token": lambda m: m.secret(),
    "session_token": lambda m: m.secret(),
    "invitation_token": lambda m: m.secret(),
    "invitation": lambda m: m.secret(),
    "state": lambda m: m.secret(),
    "code": lambda m: m.secret(),
    "error": lambda _: "access_denied",
    "iss": lambda _: "https://login.example.com",
    "return_to": lambda _: "/somewhere",
    "domain": lambda m: f"{m.own.mark}-{m.rng.getrandbits(30):x}.com",
    "allowed_email_domains": lambda m: m.rng.choice([[], [f"{m.own.mark}.example.com"]]),
    "directory_tenant_id": lambda m: str(UUID(int=m.rng.getrandbits(128))),
    "issuer": lambda _: "https://127.0.0.1:9",
    "auth_policy": lambda m: m.rng.choice(["standard", "standard", "restricted"]),
    "totp_code": lambda m: f"{m.rng.randrange(10**6):06}",
    "recovery_code": lambda _: "7q2mk-9x4pa",
    "full_name": lambda m: m.name(),
    "name": lambda m: m.name(),
    "description": lambda m: m.name(),
    "permission": lambda m: m.rng.choice(["users:read", "incidents:read"]),
    "permissions": lambda m: m.rng.sample(["users:read", "incidents:*", "settings:manage", "*"], m.rng.randint(0, 2)),
    "page": lambda m: m.rng.randint(1, 2),
    "page_size": lambda m: m.rng.randint(1, 50),
    "search": lambda m: m.rng.choice([m.own.mark, m.other.mark, "example"]),
}
"""Fields that name nothing; one that is not here has the value of the operation's example."""


class NoRequest(Exception):
    """Nobody has said what to send: a row is missing above, or the operation needs an `example`."""


@dataclass
class Asked:
    """A request.

    Attributes:
        mine: whether everything that it names is the caller's own tenant's (or the caller's own).
    """

    method: str
    path: str
    body: dict[str, Any] | None = None
    mine: bool = True


@dataclass
class Maker:
    """Makes requests of one caller of `own`."""

    rng: random.Random
    own: Side
    other: Side
    caller: Caller
    _mine: bool = field(default=True, init=False)

    async def request(self, operation: Operation) -> Asked:
        """A request of an operation.

        Raises:
            NoRequest: nobody has said what one looks like.
        """
        self._mine = True
        path = template(operation.path)
        for word, parameter in re.findall(r"/([^/{}]+)/(\{[^}]+\})", path):
            if (name := parameter.strip("{}")) in FIELDS:
                path = path.replace(parameter, str(FIELDS[name](self)), 1)
                continue
            if word not in POOLS:
                raise NoRequest(f"{operation.method} {path}: what is /{word}/{parameter}? Give POOLS a row")
            path = path.replace(parameter, await self._target(word), 1)
        if "{" in path:
            raise NoRequest(f"{operation.method} {path}: a parameter without a word before it")
        if operation.query:
            path += "?" + urlencode(await self._fields(operation, operation.query))
        body = await self._fields(operation, operation.body) if operation.body else None
        return Asked(operation.method, path, body, self._mine)

    def address(self) -> str:
        """Of the caller, of somebody of the other tenant, or of nobody."""
        stranger = self.rng.choice([*self.other.callers.values()]).person.email
        nobody = f"nobody-{self.rng.getrandbits(40):x}@{self.own.mark}.example.com"
        chosen = self.rng.choice([self.caller.person.email, stranger, nobody])
        self.own.told.add(chosen)
        return chosen

    def secret(self) -> str:
        """Nonsense, or a secret of another purpose."""
        return self.rng.choice([f"{self.rng.getrandbits(256):064x}", self.caller.browser.cookie or "x" * 43])

    def name(self) -> str:
        """Some text of this tenant."""
        return f"N {self.rng.getrandbits(60):x} {self.own.mark}"

    async def _target(self, word: str) -> str:
        pick = self.rng.random()
        if pick > 0.95:
            self._mine = False
            return str(uuid4())
        side = self.own if pick < 0.5 else self.other
        owner, sql = POOLS[word]
        asking = self.caller if side is self.own else self.rng.choice([*self.other.callers.values()])
        rows = await side.app.db.fetch(sql, side.id if owner == OF_TENANT else asking.person.id)
        found = [str(row[0]) for row in rows]
        if self.rng.random() < 0.95 and owner == OF_TENANT:
            found = [thing for thing in found if thing not in side.spared]
        chosen = self.rng.choice(found) if found else str(uuid4())
        self._mine = self._mine and bool(found) and (side is self.own or chosen in self.own.shared)
        return chosen

    async def _fields(self, operation: Operation, struct: type[Any]) -> dict[str, Any]:
        made = {}
        types = get_type_hints(struct)
        for row in msgspec.structs.fields(struct):
            if not row.required and self.rng.random() < 0.4:
                continue
            name = row.encode_name
            if name in TARGETS:
                several = "list" in str(types[row.name])
                count = self.rng.randint(0, 2) if several else 1
                chosen = [await self._target(TARGETS[name]) for _ in range(count)]
                made[name] = chosen if several else chosen[0]
            elif name in FIELDS:
                made[name] = FIELDS[name](self)
            elif UUID.__name__ in str(types[row.name]):
                raise NoRequest(f"{operation.method} {operation.path}: whose is `{name}`? Give TARGETS a row")
            elif types[row.name] in (bool, bool | None, bool | msgspec.UnsetType):
                made[name] = self.rng.random() < 0.5
            elif name in operation.example:
                made[name] = operation.example[name]
            elif row.required:
                raise NoRequest(
                    f"{operation.method} {operation.path}: what is `{name}`? Give it an example, or FIELDS a row"
                )
        return made
