"""Read a snapshot of Finance, decide, write: one transaction for each batch of users with their memberships."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from identry import tenancy
from identry.core.clock import Clock
from identry.core.db import Database, Duplicate, Executor
from identry.core.ids import uuid7
from identry.core.origin import SYSTEM
from identry.flows.finance_import import queries
from identry.flows.finance_import.decide import (
    EMAIL_CHANGED_HERE,
    PASSWORD_CHANGED_HERE,
    Changes,
    Decider,
    Known,
    Update,
)
from identry.flows.finance_import.report import Report
from identry.flows.finance_import.rows import Person, people
from identry.flows.finance_import.source import FinanceSource, Snapshot
from identry.records import memberships, one_time_tokens, sessions, users
from identry.records.audit import Audit

BATCH = 500
_RACES = 3
"""How often a batch is tried again when an account with one of its addresses appears while it is written."""

Progress = Callable[[int, int], None]
"""Takes how many users of Finance are done, and how many there are."""


class FinanceImport:
    """Imports accounts and memberships; running it again brings over only what is new.

    Args:
        db: ours, migrated.
        source: Finance.
        placeholder: the hash of accounts without a password (`Passwords.placeholder()`).
    """

    def __init__(self, db: Database, clock: Clock, audit: Audit, source: FinanceSource, placeholder: str) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._source = source
        self._placeholder = placeholder

    async def run(self, *, dry_run: bool, replace_conflicts: bool, progress: Progress) -> Report:
        """Import, or with `dry_run` only tell what an import would do.

        Raises:
            ForeignTableError, Rejected: Finance lacks a table, a column or a right.
            Unavailable: one of the databases does not answer; the batches written so far stay.
        """
        report = Report()
        decider = Decider(self._placeholder, replace=replace_conflicts, new_id=lambda: uuid7(self._clock))
        async with self._source.snapshot() as finance:
            report.users.found, report.companies.found, report.units.found = await finance.count()
            progress(0, report.users.found)
            deferred: list[Person] = []
            done = 0
            async for batch in finance.batches(BATCH):
                before = len(report.problems)
                found, lost_companies, lost_units = people(batch, report.problems)
                report.users.skipped += sum(p.table == "User" for p in report.problems[before:])
                report.companies.skipped += lost_companies
                report.units.skipped += lost_units
                deferred += await self._batch(finance, decider, found, report, dry_run=dry_run, last_try=False)
                done += len(batch.users)
                progress(done, report.users.found)
            for start in range(0, len(deferred), BATCH):
                some = deferred[start : start + BATCH]
                await self._batch(finance, decider, some, report, dry_run=dry_run, last_try=True)
        return report

    async def _batch(
        self, finance: Snapshot, decider: Decider, found: list[Person], report: Report, *, dry_run: bool, last_try: bool
    ) -> list[Person]:
        """Decide and write; returns those whose address is still taken by somebody who may yet get another."""
        for attempt in range(_RACES):
            try:
                if dry_run:
                    changes = await self._decide(self._db, finance, decider, found, last_try=last_try, lock=False)
                else:
                    async with self._db.transaction() as tx:
                        changes = await self._decide(tx, finance, decider, found, last_try=last_try, lock=True)
                        await self._write(tx, changes)
                break
            except Duplicate:
                if attempt == _RACES - 1:
                    raise
        _count(report, changes)
        return changes.deferred

    async def _decide(
        self, db: Executor, finance: Snapshot, decider: Decider, found: list[Person], *, last_try: bool, lock: bool
    ) -> Changes:
        ids = [person.id for person in found]
        here = await users.find_all(db, ids, [person.email for person in found], lock=lock)
        companies, units = await memberships.of_users(db, ids)
        wanted = set(ids)
        by_id, by_email = {user.id: user for user in here}, {user.email: user for user in here}
        holders = {holder.id for person in found if (holder := by_email.get(person.email)) and holder.id != person.id}
        in_finance = await finance.has_users([str(user_id) for user_id in holders]) if holders else set()
        known = Known(
            by_id={user_id: user for user_id, user in by_id.items() if user_id in wanted},
            by_email=by_email,
            companies={(m.user_id, m.company_id): m for m in companies},
            units={(m.user_id, m.company_id, m.business_unit_id): m for m in units},
            changed_here=await queries.changed_here(
                db, [user_id for user_id in ids if user_id in by_id], EMAIL_CHANGED_HERE | PASSWORD_CHANGED_HERE
            ),
            in_finance={UUID(text) for text in in_finance},
        )
        return decider.decide(found, known, self._clock.now(), last_try=last_try)

    async def _write(self, tx: Executor, changes: Changes) -> None:
        rows: list[tuple[Any, ...]] = []
        for user in changes.removals:
            await sessions.revoke_all(tx, user.id, "replaced by an import", self._clock.now())
            rows.append(self._event("user.deleted", user.id, {"email": "taken over by an import"}))
        await users.delete_all(tx, [user.id for user in changes.removals])
        for update in changes.updates:
            rows += await self._update(tx, update)
        await users.insert_all(tx, changes.inserts)
        rows += [self._event("user.created", user.id, {"source": "finance"}) for user in changes.inserts]
        rows += await self._write_memberships(tx, changes)
        await self._audit.record_all(tx, rows)

    async def _update(self, tx: Executor, update: Update) -> list[tuple[Any, ...]]:
        user, columns = update.before, update.columns
        await users.update(tx, user.id, columns, now=update.at, bump=update.ends_sessions)
        if update.ends_sessions:
            await sessions.revoke_all(tx, user.id, "changed by an import", self._clock.now())
            await one_time_tokens.void(tx, user.id, self._clock.now())
        return [self._event(name, user.id, {**details, "source": "finance"}) for name, details in _events(columns)]

    async def _write_memberships(self, tx: Executor, changes: Changes) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        ids = [m.id for m in changes.new_companies] + [m.id for m in changes.new_units]
        taken = await memberships.taken_ids(tx, ids) if ids else set()
        fresh_companies = [replace(m, id=uuid7(self._clock)) if m.id in taken else m for m in changes.new_companies]
        fresh_units = [replace(m, id=uuid7(self._clock)) if m.id in taken else m for m in changes.new_units]
        await memberships.insert_all(tx, fresh_companies, fresh_units)
        for company in fresh_companies:
            details = _membership_details(None, company.role, company.is_active)
            rows.append(
                self._event("membership.company.created", company.user_id, details, company_id=company.company_id)
            )
        for unit in fresh_units:
            details = _membership_details(unit.business_unit_id, unit.role, unit.is_active)
            rows.append(
                self._event("membership.business_unit.created", unit.user_id, details, company_id=unit.company_id)
            )
        for company, m in changes.changed_companies:
            at = m.updated_at or self._clock.now()
            await memberships.put_company(
                tx, company.id, m.company_id, company.user_id, m.role, is_active=m.is_active, now=at
            )
            details = _membership_details(None, m.role, m.is_active)
            rows.append(self._event("membership.company.updated", company.user_id, details, company_id=m.company_id))
        written = [*fresh_companies, *(company for company, _ in changes.changed_companies)]
        await tenancy.follow(tx, self._clock, (m.company_id for m in written), (m.user_id for m in written))
        for unit, m in changes.changed_units:
            at = m.updated_at or self._clock.now()
            await memberships.put_business_unit(
                tx, unit.id, m.company_id, unit.business_unit_id, unit.user_id, m.role, is_active=m.is_active, now=at
            )
            details = _membership_details(unit.business_unit_id, m.role, m.is_active)
            rows.append(self._event("membership.business_unit.updated", unit.user_id, details, company_id=m.company_id))
        return rows

    def _event(
        self, event: str, target: UUID, details: dict[str, Any], *, company_id: UUID | None = None
    ) -> tuple[Any, ...]:
        return self._audit.row(event, SYSTEM, actor="system", target=target, company_id=company_id, details=details)


def _membership_details(unit_id: UUID | None, role: str, is_active: bool) -> dict[str, Any]:
    details = {"source": "finance", "role": role, "isActive": is_active}
    return {"businessUnitId": str(unit_id), **details} if unit_id else details


def _events(columns: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The audit events of a change, as an administrator's change of the same fields has them."""
    names = {"full_name": "fullName", "phone_number": "phoneNumber", "profile_picture_url": "profilePictureUrl"}
    events: list[tuple[str, dict[str, Any]]] = []
    if plain := sorted(names[column] for column in columns if column in names):
        events.append(("user.updated", {"fields": plain}))
    if "email" in columns:
        events.append(("user.email_changed", {"fields": ["email"]}))
    if "password_hash" in columns:
        events.append(("user.password_changed", {"fields": ["password"]}))
    if "is_active" in columns:
        events.append(("user.deactivated", {"isActive": {"from": True, "to": False}}))
    return events


def _count(report: Report, changes: Changes) -> None:
    """Add what a batch came to."""
    report.users.created += len(changes.inserts)
    report.users.updated += len(changes.updates)
    report.users.unchanged += changes.unchanged
    report.users.skipped += len(changes.problems)
    report.companies.created += len(changes.new_companies)
    report.companies.updated += len(changes.changed_companies)
    report.companies.unchanged += changes.unchanged_companies
    report.units.created += len(changes.new_units)
    report.units.updated += len(changes.changed_units)
    report.units.unchanged += changes.unchanged_units
    report.without_password += changes.without_password
    report.replaced += len(changes.removals)
    for problem, person in changes.problems:
        report.problems.append(problem)
        report.companies.skipped += len(person.companies)
        report.units.skipped += len(person.units)
