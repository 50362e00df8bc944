"""Read → change → audit, in one transaction. Source: contracts/provider-api.md §3 `FullProfile`, "profile update"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.origin import Origin
from identry.oauth import people
from identry.oauth.people import Person
from identry.records import user_profiles, users
from identry.records.audit import Audit
from identry.records.user_profiles import UserProfile
from identry.records.users import User
from identry.refusals import CredentialsChanged

FIELDS = people.USER_COLUMNS | (user_profiles.CHANGEABLE - {"must_change_password"})
"""What a person may change here."""


@dataclass(frozen=True, slots=True)
class Told:
    """A person and what they told."""

    user: User
    profile: UserProfile

    def of(self, name: str) -> Any:
        """One of `FIELDS`, as it is."""
        return getattr(self.user if name in people.USER_COLUMNS else self.profile, name)


class OwnProfile:
    """Looks after what one user tells of themselves."""

    def __init__(self, db: Database, clock: Clock, audit: Audit) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit

    async def show(self, user: User) -> Told:
        """The profile of a user who was just read."""
        return Told(user, await user_profiles.find(self._db, user.id))

    async def person(self, user_id: UUID) -> Person:
        """A user whom a guard has just read, as applications see them.

        Raises:
            CredentialsChanged: the account is gone.
        """
        found = await people.find(self._db, user_id)
        if found is None:
            raise CredentialsChanged
        return found

    async def change(
        self, user: User, changes: Mapping[str, str | None], session_id: UUID | None, origin: Origin
    ) -> Told:
        """Write `changes` (names from `FIELDS`); None clears a field.

        Only what differs is written and named in the audit log; when nothing does, nothing is.

        Raises:
            CredentialsChanged: the account was deactivated meanwhile.
            ValueError: a name that is not in `FIELDS` (a mistake of the calling code).
        """
        if unknown := changes.keys() - FIELDS:
            raise ValueError(f"not changeable: {sorted(unknown)}")
        async with self._db.transaction() as tx:
            held = await users.lock(tx, user.id)
            if held is None or not held.is_active:
                raise CredentialsChanged
            before = Told(held, await user_profiles.find(tx, user.id))
            if differing := {name: value for name, value in changes.items() if before.of(name) != value}:
                held = await people.change(tx, user.id, differing, self._clock.now()) or held
                await self._audit.record(
                    tx,
                    "user.profile_changed",
                    origin,
                    actor=user.id,
                    target=user.id,
                    session_id=session_id,
                    details={"fields": sorted(differing)},
                )
            return Told(held, await user_profiles.find(tx, user.id))
