"""One of the two tenants: its people with their browsers, and everything in the database that is its own."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from browser import Browser
from harness import Harness, Person

from identry import tenancy
from identry.core.ids import uuid7
from identry.records import groups, passkeys, tenants
from identry.records.groups import Group
from identry.records.passkeys import Passkey

RIGHTS: dict[str, tuple[str, ...]] = {
    "ADMIN": ("*",),
    "READER": ("users:read", "rbac:read", "settings:read"),
    "PEOPLE": ("users:*",),
    "GROUPS": ("rbac:manage",),
    "SETTINGS": ("settings:manage",),
    "MEMBER": (),
    "TWICE": ("*",),
}
"""Kinds of caller, and what their group allows. `TWICE` is in `Admin` of both tenants, with a session of this one."""

NOT_COMPARED = {"auth_audit_logs": "tells what was tried, whoever tried it"}
"""Tables whose rows may change when a stranger asks."""

UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows of one side: their text, and the ids in it."""

    text: str
    ids: frozenset[str]


class Ownership:
    """Which rows are whose: every table that names a tenant, a company or a user, found in the database itself."""

    def __init__(self, tables: Iterable[tuple[str, list[str]]]) -> None:
        owned = {"tenants": ["id AS tenant"], "users": ["id AS user"]}
        owned |= {name: columns for name, columns in tables if name not in NOT_COMPARED}
        parts = []
        for name, columns in sorted(owned.items()):
            tests = [f"{c.split()[0]} = {'ANY($2)' if 'user' in c else '$1'}" for c in columns]
            rows = f"SELECT * FROM {name} WHERE {' OR '.join(tests)}"
            parts.append(f"(SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM ({rows}) t)")
        self._sql = f"SELECT concat_ws(E'\\n--\\n', {', '.join(parts)})"

    @classmethod
    async def read(cls, app: Harness) -> Ownership:
        """As the database is now."""
        rows = await app.db.fetch(
            """
            SELECT c.relname, array_agg(a.attname::text)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
              AND a.attname IN ('tenant_id', 'company_id', 'user_id') GROUP BY 1
            """
        )
        return cls([(row[0], row[1]) for row in rows])

    async def of(self, side: Side) -> str:
        """Everything that belongs to a side."""
        return str(await side.app.db.fetchval(self._sql, side.id, [*side.own_people]))


@dataclass
class Caller:
    """Somebody with a browser.

    Attributes:
        session_id: of the session in it.
    """

    kind: str
    person: Person
    browser: Browser
    session_id: UUID | None = None


@dataclass
class Side:
    """One tenant.

    Attributes:
        mark: is in every name and address of it, so that an answer which shows one to the other side is seen.
        own_people: the users who are in this tenant only.
        spared: callers and their groups, which requests name less often, so that there is somebody left to ask.
        shared: people who are in both.
        told: addresses that its people wrote into requests: they may be shown what they wrote.
    """

    app: Harness
    owned: Ownership
    mark: str = field(default_factory=lambda: f"m{secrets.token_hex(5)}")
    id: UUID = field(default_factory=uuid4)
    callers: dict[str, Caller] = field(default_factory=dict)
    own_people: set[UUID] = field(default_factory=set)
    spared: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    _known: Snapshot | None = None

    async def made(self) -> Side:
        """Create the tenant with groups and plain members; callers come with `arrive`."""
        await tenancy.create(self.app.db, self.app.clock, self.id, slug=self.mark, name=f"Tenant {self.mark}")
        for keys in ((), ("users:read",), ("settings:manage",), ("*",)):
            await self._group(keys)
        for _ in range(4):
            await self._person("Member", keys=None)
        return self

    async def arrive(self, other: Side) -> None:
        """A caller of every kind signs in."""
        for kind in RIGHTS:
            await self.replace(kind, other)

    async def replace(self, kind: str, other: Side) -> Caller:
        """Somebody new of this kind signs in."""
        # Whatever the tenant's people demanded of sign-ins meanwhile: the test's people sign in with a password.
        await self.app.db.execute(
            "UPDATE tenants SET is_active = true, auth_policy = 'standard', mfa_required = false,"
            " allowed_email_domains = '{}' WHERE id = $1",
            self.id,
        )
        person = await self._person(kind, keys=RIGHTS[kind], also=other if kind == "TWICE" else None)
        self.spared.add(str(person.id))
        caller = self.callers[kind] = Caller(kind, person, Browser(self.app))
        await self.greet(caller)
        self.touched()
        return caller

    async def greet(self, caller: Caller) -> None:
        """Sign a caller in (again)."""
        caller.browser = Browser(self.app)
        reply = await caller.browser.login(caller.person)
        assert reply.status_code == 200, reply.text
        assert caller.browser.me["tenant_id"] == str(self.id)
        payload = caller.browser.access_token.split(".")[1]
        caller.session_id = UUID(json.loads(base64.urlsafe_b64decode(payload + "=="))["sid"])

    async def snapshot(self) -> Snapshot:
        """What the side owned when it was last changed by its own people."""
        if self._known is None:
            text = await self.owned.of(self)
            self._known = Snapshot(text, frozenset(UUIDS.findall(text)))
        return self._known

    async def unchanged(self) -> bool:
        """Whether the other side's people left it alone."""
        return await self.owned.of(self) == (await self.snapshot()).text

    def touched(self) -> None:
        """Its own people may have changed it."""
        self._known = None

    async def standing(self, caller: Caller) -> tuple[bool, set[str]]:
        """Whether a caller's session counts, and what its groups allow; from the rows, not from the code under test."""
        row = await self.app.db.fetchrow(
            """
            SELECT bool_and(s.token_version = u.token_version AND u.is_active AND m.is_active AND t.is_active),
                   array_agg(p.key)
            FROM sessions s
            JOIN users u ON u.id = s.user_id
            JOIN tenants t ON t.id = s.tenant_id
            JOIN tenant_members m ON m.tenant_id = t.id AND m.user_id = u.id
            LEFT JOIN group_members gm ON gm.tenant_id = t.id AND gm.user_id = u.id
            LEFT JOIN groups g ON g.id = gm.group_id
            LEFT JOIN LATERAL unnest(g.permissions) AS p (key) ON true
            WHERE s.id = $1 AND s.user_id = $2 AND s.tenant_id = $3 AND s.revoked_at IS NULL
            """,
            caller.session_id,
            caller.person.id,
            self.id,
        )
        return bool(row[0]), {key for key in row[1] or () if key}

    async def _person(self, kind: str, *, keys: tuple[str, ...] | None, also: Side | None = None) -> Person:
        mark = "both" if also else self.mark
        address = f"{kind.lower()}-{secrets.token_hex(4)}@{mark}.example.com"
        person = await self.app.make_user(full_name=f"{kind} {mark}", email=address)
        now = self.app.clock.now()
        for number in range(2):
            key = Passkey(
                uuid7(self.app.clock),
                person.id,
                uuid4().bytes,
                b"",
                0,
                uuid4(),
                [],
                True,
                True,
                f"{number} {mark}",
                now,
                None,
            )
            assert await passkeys.insert(self.app.db, key)
        if also:  # the newest membership is the one that a session begins in
            before = now - timedelta(days=1)
            await tenants.put_member(self.app.db, also.id, person.id, is_active=True, now=before)
            await groups.add_member(self.app.db, also.id, await also._admin(), person.id, before)
            also.touched()
            for side in (self, also):
                side.shared.add(str(person.id))
        else:
            self.own_people.add(person.id)
        await tenants.put_member(self.app.db, self.id, person.id, is_active=True, now=now)
        if keys == ("*",):
            await groups.add_member(self.app.db, self.id, await self._admin(), person.id, now)
        elif keys:
            group_id = await self._group(keys)
            self.spared.add(str(group_id))
            await groups.add_member(self.app.db, self.id, group_id, person.id, now)
        await tenants.touch(self.app.db, self.id)
        return person

    async def _group(self, keys: tuple[str, ...]) -> UUID:
        now, group_id = self.app.clock.now(), uuid7(self.app.clock)
        name = f"Group {group_id} {self.mark}"
        assert await groups.insert(self.app.db, Group(group_id, self.id, name, "", list(keys), False, now, now))
        return group_id

    async def _admin(self) -> UUID:
        return next(group.id for group, _ in await groups.of_tenant(self.app.db, self.id) if group.name == "Admin")
