"""A page of an account's sign-ins. Source: issue "the provider", account pages; ASVS 16.2.1."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from identry.core.db import Executor
from identry.flows.sign_in_history import queries
from identry.flows.sign_in_history.queries import SignInEvent

PAGE = 25
"""Events of one page."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Events, the newest first; `older` is where the next page begins, None: this was the last."""

    events: list[SignInEvent]
    older: UUID | None


class SignInHistory:
    """Tells a person of the sign-ins to their account."""

    def __init__(self, db: Executor) -> None:
        self._db = db

    async def page(self, user_id: UUID, before: UUID | None = None) -> HistoryPage:
        """The events before one, or the newest."""
        found = await queries.page(self._db, user_id, before, PAGE + 1)
        return HistoryPage(found[:PAGE], found[PAGE - 1].id if len(found) > PAGE else None)
