"""The task that tells applications; no connection to the database is held while one is asked."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from identry.core.clock import Clock
from identry.core.db import Database, Unavailable
from identry.core.outbound import JsonClient, OutboundError
from identry.core.tasks import ended, spread
from identry.flows.backchannel_logout import queries
from identry.flows.backchannel_logout.queries import Notice
from identry.tokens import ProviderMint

log = structlog.get_logger("identry.backchannel_logout")

MOST_ATTEMPTS = 8
"""With the pauses between them, about half an hour."""
FIRST_RETRY = timedelta(seconds=15)
_LEASE = timedelta(seconds=60)
_AT_ONCE = 8
_SLOWEST = 30.0
_HEARD = frozenset({200, 204})


class BackchannelLogout:
    """Tells applications that a grant has ended.

    Args:
        http: reaches public addresses, and those that the operator lists.
        poll: seconds between two looks when nothing is due.
    """

    def __init__(self, db: Database, clock: Clock, mint: ProviderMint, http: JsonClient, *, poll: float = 2.0) -> None:
        self._db = db
        self._clock = clock
        self._mint = mint
        self._http = http
        self._poll = poll
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="backchannel-logout")

    async def stop(self) -> None:
        """Stop; what is cut off is told again when its lease runs out."""
        await ended(self._task)
        self._task = None
        await self._http.close()

    async def tell_due(self) -> int:
        """Tell what is due now, and wait for it; returns how many notices that were.

        Raises:
            Unavailable: the database cannot answer.
        """
        now = self._clock.now()
        notices = await queries.claim(self._db, now, now + _LEASE, _AT_ONCE)
        await asyncio.gather(*(self._settle(notice) for notice in notices))
        return len(notices)

    async def _run(self) -> None:
        pause = self._poll
        while True:
            try:
                pause = 0.0 if await self.tell_due() else self._poll
            except Unavailable:
                pause = min(max(pause, self._poll) * 2, _SLOWEST)
            except Exception:  # one bad notice must not end the task
                log.exception("backchannel_logout.failed")
                pause = _SLOWEST
            await asyncio.sleep(spread(pause))

    async def _settle(self, notice: Notice) -> None:
        reason = await self._tell(notice)
        if not reason:
            await queries.done(self._db, notice.id)
            return
        given_up = notice.attempts >= MOST_ATTEMPTS
        log.warning(
            "backchannel_logout.given_up" if given_up else "backchannel_logout.later",
            client=notice.client_id,
            attempts=notice.attempts,
            reason=reason,
        )
        if given_up:
            await queries.done(self._db, notice.id)
        else:
            at = self._clock.now() + FIRST_RETRY * 2 ** (notice.attempts - 1)
            await queries.again(self._db, notice.id, at)

    async def _tell(self, notice: Notice) -> str:
        """Why the application did not hear; empty: it did, or wants to hear of nothing any more."""
        if notice.url is None:
            return ""
        token = await self._mint.logout_token(notice.user_number, notice.client_id, notice.session_id)
        try:
            reply = await self._http.post_form(notice.url, {"logout_token": token})
        except OutboundError as error:
            return str(error)
        return "" if reply.status in _HEARD else f"status {reply.status}"
