"""What an import found and did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["conflict", "invalid"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that was left out.

    Attributes:
        kind: `conflict` (somebody else has the address, or may not be touched) or `invalid` (the row itself is).
        table: `User`, `CompanyMembership`, `BusinessUnitMembership`.
        row: its id, as far as it can be shown.
        reason: one line.
    """

    kind: Kind
    table: str
    row: str
    reason: str


@dataclass(slots=True)
class Count:
    """What became of the rows of one table; in a dry run: what would."""

    found: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0

    @property
    def merged(self) -> int:
        """Rows that said the same as another one (two memberships of one user in one company)."""
        return self.found - self.created - self.updated - self.unchanged - self.skipped


@dataclass(slots=True)
class Report:
    """The outcome.

    Attributes:
        users, companies, units: what became of the rows of each table.
        without_password: new accounts that must reset their password first.
        replaced: accounts of Identry that made room.
        problems: every row that was left out.
    """

    users: Count = field(default_factory=Count)
    companies: Count = field(default_factory=Count)
    units: Count = field(default_factory=Count)
    without_password: int = 0
    replaced: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing was left out."""
        return not self.problems
