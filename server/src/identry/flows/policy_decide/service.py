"""Decide by the version that counts, and keep what was decided. Source: contracts/provider-api.md §11."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.flows.policy_decide import queries, rules
from identry.flows.policy_decide.rules import Verdict
from identry.oauth.access_tokens import AccessTokens, UserToken
from identry.oauth.errors import InvalidToken
from identry.oauth.people import platform_role
from identry.records import app_members, clients, users
from identry.records.audit import Audit
from identry.records.clients import Client
from identry.records.users import User
from identry.tokens import acr_of
from identry_kit.apierror import BadRequest, Conflict, NotFound, ServiceUnavailable

KEPT = timedelta(days=30)
"""How long decisions are kept."""
MODES = ("off", "shadow", "enforce")


class NoPolicy(ServiceUnavailable):
    """503: the application has no policy; `mode` says what the caller is to make of that."""

    message = "no policy"
    example_details = {"mode": "off"}  # noqa: RUF012 - never written to

    def __init__(self, mode: str = "off") -> None:
        super().__init__(details={"mode": mode})


class UnknownPolicy(NotFound):
    """404: the application has no policy, or not this version."""

    message = "policy not found"


class BadSubject(BadRequest):
    """400: the token of the subject does not count here, or no member has this number."""

    message = "invalid subject: a live access token of this application, or the number of one of its members"


class VersionConflict(Conflict):
    """409: somebody stored another version meanwhile; read it and decide again."""

    message = "the policy has another version by now"


@dataclass(frozen=True, slots=True)
class Question:
    """What an application asks."""

    action: str
    token: str = ""
    user_id: int | None = None
    resource: Mapping[str, Any] | None = None
    context: Mapping[str, Any] | None = None
    pep_mode: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of an application as it counts."""

    version: int
    mode: str
    rules: list[dict[str, Any]]
    created_at: datetime


class PolicyDecide:
    """Decides, and keeps the policies to decide by."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, tokens: AccessTokens) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._tokens = tokens

    async def __call__(self, app: Client, asked: Question, origin: Origin) -> tuple[Verdict, Policy]:
        """The verdict, and the policy that it is by.

        Raises:
            InvalidAction, BadSubject: what is wrong with the question.
            NoPolicy: there is nothing to decide by.
        """
        rules.require_action(asked.action)
        subject = await self._subject(app, asked)
        policy = await self._current(app)
        if policy is None:
            raise NoPolicy
        request = {"subject": subject, "resource": asked.resource or {}, "context": asked.context or {}}
        verdict = Verdict(True, "", "the policy is off")
        if policy.mode != "off":
            verdict = rules.judge(policy.rules, asked.action, request)
        resource = asked.resource or {}
        await queries.keep(
            self._db,
            uuid7(self._clock),
            app.id,
            (str(subject["id"]), asked.action, resource.get("type"), resource.get("id")),
            (verdict.allow, verdict.rule or None, policy.version, policy.mode),
            (asked.pep_mode or None, origin.request_id),
        )
        return verdict, policy

    async def read(self, app: Client, version: int | None) -> Policy:
        """The policy that counts, or one of its versions.

        Raises:
            UnknownPolicy: there is none.
        """
        found = await queries.find(self._db, app.id, version)
        if found is None:
            raise UnknownPolicy
        return _policy(found)

    async def put(
        self, app: Client, wanted: list[dict[str, Any]], mode: str, base_version: int, caller: User, origin: Origin
    ) -> Policy:
        """Store a new version, which counts from now on; with the rules that count already, only the mode changes.

        Raises:
            InvalidPolicy: what is wrong with a rule.
            VersionConflict: `base_version` is not the one that counts (0: there is none yet).
        """
        rules.require_rules(wanted)
        now = self._clock.now()
        async with self._db.transaction() as tx:
            await clients.lock(tx, app.id)
            found = await queries.find(tx, app.id, None)
            before = _policy(found) if found else None
            if base_version != (before.version if before else 0):
                raise VersionConflict
            version = base_version
            if before is None or before.rules != wanted:
                version += 1
                await queries.insert(tx, app.id, version, msgspec.json.encode(wanted).decode(), caller.id, now)
            await queries.use(tx, app.id, version, mode, now)
            told = {"client": app.client_id, "version": version, "mode": mode}
            await self._audit.record(tx, "app.policy.changed", origin, actor=caller.id, details=told)
        return await self.read(app, None)

    async def _current(self, app: Client) -> Policy | None:
        found = await queries.find(self._db, app.id, None)
        return _policy(found) if found else None

    async def _subject(self, app: Client, asked: Question) -> dict[str, Any]:
        """Whom the decision is about, as rules see them; the application itself when nobody is named."""
        if asked.token:
            try:
                found = await self._tokens.of(asked.token)
            except InvalidToken:
                raise BadSubject from None
            if not isinstance(found, UserToken) or found.client.id != app.id:
                raise BadSubject
            age = int((self._clock.now() - found.auth_time).total_seconds())
            known = {"amr": found.amr, "acr": acr_of(found.amr), "auth_age": age}
            return await self._person(app, found.user, found.number) | known
        if asked.user_id is not None:
            user = await users.find_by_number(self._db, asked.user_id)
            if user is None or not user.is_active:
                raise BadSubject
            person = await self._person(app, user, asked.user_id)
            if person["role"] is None:
                raise BadSubject
            return person
        return {"type": "app", "id": app.number, "client_id": app.client_id}

    async def _person(self, app: Client, user: User, number: int) -> dict[str, Any]:
        member = await app_members.find(self._db, app.id, user.id)
        platform = platform_role(user.global_role)
        role = member.role if member else platform if platform != "user" else None
        return {
            "type": "user",
            "id": number,
            "email": user.email,
            "email_verified": user.email_verified,
            "role": role,
            "global_role": platform,
        }


def _policy(row: tuple[int, str, str, datetime]) -> Policy:
    return Policy(row[0], row[1], msgspec.json.decode(row[2]), row[3])
