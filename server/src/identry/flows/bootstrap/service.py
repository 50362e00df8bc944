"""Make a platform superadmin from the command line or the configuration."""

from __future__ import annotations

from enum import StrEnum

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.origin import SYSTEM
from identry.core.passwords import Passwords
from identry.records import users
from identry.records.audit import Audit
from identry.records.users import ApprovalStatus, GlobalRole
from identry_kit.apierror import BadRequest, Conflict, NotFound

_LOCK = 0x1DE28  # a constant that no other advisory lock of this database uses


class WeakPassword(BadRequest):
    """400: the password breaks the policy; the message says how."""


class AddressTaken(Conflict):
    """409: the address belongs to an ordinary account."""


class NoSuchAccount(NotFound):
    """404: nobody has this address."""


class Outcome(StrEnum):
    """What `Bootstrap.ensure` found or did."""

    CREATED = "created"
    EXISTS = "exists"
    TAKEN = "taken"


class Bootstrap:
    """Makes superadmins outside HTTP.

    Args:
        db, clock, audit, passwords: the engines.
        min_length: of a new password (`PASSWORD_MIN_LENGTH`).
    """

    def __init__(self, db: Database, clock: Clock, audit: Audit, passwords: Passwords, min_length: int) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._passwords = passwords
        self._min_length = min_length

    async def ensure(self, email: str, *, password: str = "", password_hash: str = "") -> Outcome:
        """Make the first superadmin, once ever: not when one exists or ever existed, active or not (SECURITY §2.27).

        Raises:
            WeakPassword: the password breaks the policy.
        """
        if await self._has_superadmin(self._db):
            return Outcome.EXISTS
        password_hash = password_hash or await self._hash(email, password)
        async with self._db.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            if await self._has_superadmin(tx):
                return Outcome.EXISTS
            return Outcome.CREATED if await self._insert(tx, email, "Administrator", password_hash) else Outcome.TAKEN

    async def refuse_taken(self, email: str) -> None:
        """Raise before a password is asked for.

        Raises:
            AddressTaken: the address has an account.
        """
        if await users.find_by_email(self._db, email) is not None:
            raise AddressTaken(f"{email} has an account already; --promote makes it an administrator")

    async def create(self, email: str, full_name: str, password: str) -> None:
        """Make a further superadmin.

        Raises:
            WeakPassword: the password breaks the policy.
            AddressTaken: the address has an account.
        """
        password_hash = await self._hash(email, password)
        async with self._db.transaction() as tx:
            if not await self._insert(tx, email, full_name, password_hash):
                raise AddressTaken(f"{email} has an account already")

    async def promote(self, email: str) -> None:
        """Make an existing account a superadmin: active, approved, with its own password; its sessions end.

        Raises:
            NoSuchAccount: nobody has this address.
        """
        changes = {
            "global_role": GlobalRole.PLATFORM_SUPERADMIN,
            "is_active": True,
            "approval_status": ApprovalStatus.APPROVED,
        }
        async with self._db.transaction() as tx:
            found = await users.find_by_email(tx, email)
            before = await users.lock(tx, found.id) if found else None
            if before is None:
                raise NoSuchAccount(f"{email} has no account; leave --promote out to make one")
            await users.update(tx, before.id, dict(changes), now=self._clock.now(), bump=True)
            details = {"from": before.global_role, "to": GlobalRole.PLATFORM_SUPERADMIN.value}
            event = "user.global_role_changed"
            await self._audit.record(tx, event, SYSTEM, actor="system", target=before.id, details=details)

    async def verify(self, email: str, password: str) -> bool:
        """Whether an active account still has this password."""
        user = await users.find_by_email(self._db, email)
        verdict = await self._passwords.verify(password, user.password_hash if user else None)
        return bool(user and user.is_active and verdict.ok)

    async def _hash(self, email: str, password: str) -> str:
        if faults := self._passwords.check_policy(password, email, self._min_length):
            raise WeakPassword("the password " + "; ".join(fault.message for fault in faults))
        return await self._passwords.hash(password)

    async def _insert(self, tx: Executor, email: str, full_name: str, password_hash: str) -> bool:
        user = users.new(
            uuid7(self._clock),
            email.lower(),
            self._clock.now(),
            full_name=full_name,
            password_hash=password_hash,
            global_role=GlobalRole.PLATFORM_SUPERADMIN,
            is_active=True,
            approval_status=ApprovalStatus.APPROVED,
            email_verified=True,
        )
        if not await users.insert(tx, user):
            return False
        details = {"globalRole": user.global_role, "source": "bootstrap"}
        await self._audit.record(tx, "user.created", SYSTEM, actor="system", target=user.id, details=details)
        return True

    async def _has_superadmin(self, db: Executor) -> bool:
        found: bool = await db.fetchval("SELECT EXISTS (SELECT FROM users WHERE global_role = 'PLATFORM_SUPERADMIN')")
        return found
