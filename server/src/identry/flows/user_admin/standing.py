"""Caller and target as the matrix sees them: once for the platform, and once for each company they could share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from identry import authority
from identry.authority import Actor, Situation, Target, Wanted
from identry.records.memberships import CompanyMembership
from identry.records.users import User


@dataclass(frozen=True, slots=True)
class Standing:
    """A caller in all the roles held."""

    caller: User
    caller_companies: Sequence[CompanyMembership]

    def actors(self) -> list[Actor]:
        """The caller on the platform, then in each company with an active membership."""
        on_platform = Actor(self.caller.id, self.caller.global_role)
        return [on_platform] + [replace(on_platform, company_role=m.role) for m in self.caller_companies if m.is_active]

    def sees_absence(self, rows: Sequence[str]) -> bool:
        """Whether the caller may be told that an account does not exist."""
        return authority.sees_absence(rows, self.actors()[0])

    def about(self, target: User, target_companies: Sequence[CompanyMembership]) -> Scope:
        """The same caller, with a target."""
        return Scope(self.caller, self.caller_companies, target, target_companies)


@dataclass(frozen=True, slots=True)
class Scope(Standing):
    """A caller and a target."""

    target: User
    target_companies: Sequence[CompanyMembership]

    def situations(self, wanted: Wanted) -> list[Situation]:
        """What to ask the matrix: any of these may give the right."""
        on_platform, *_ = self.actors()
        base = Target(self.target.id, self.target.global_role, self.target.approval_status)
        found = [Situation(on_platform, base, wanted)]
        for own in self.caller_companies:
            if own.is_active:
                actor = replace(on_platform, company_role=own.role)
                found.append(Situation(actor, self._target_in(base, own.company_id), wanted))
        return found

    def sees_all(self, row: str) -> bool:
        """Whether the caller's platform role alone opens the row."""
        return authority.sees_absence((row,), self.actors()[0])

    def shared_companies(self, row: str) -> set[UUID]:
        """The companies that give the caller this row for the target."""
        own = [m.company_id for m in self.caller_companies if m.is_active]
        asked = zip(own, self.situations(Wanted())[1:], strict=True)
        return {company_id for company_id, situation in asked if authority.refusal(row, situation) is None}

    def _target_in(self, base: Target, company_id: UUID) -> Target:
        membership = next((m for m in self.target_companies if m.company_id == company_id), None)
        return replace(
            base,
            company_role=membership.role if membership else None,
            active_member=membership is not None and membership.is_active,
            elsewhere=any(m.company_id != company_id for m in self.target_companies),
        )
