"""The background task that empties the outbox. Every replica runs one; none waits for another."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import structlog

from identry.core.clock import Clock
from identry.core.db import Database, Unavailable
from identry.core.mail.mime import BadAddressError, Message, compose, origin_of
from identry.core.mail.outbox import MailRow, Outbox
from identry.core.mail.render import MailTemplateError, Renderer
from identry.core.mail.transports import DeliveryError, NullTransport, Outcome, Transport

_LOG = structlog.get_logger(__name__)
_JITTER = secrets.SystemRandom()

FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(hours=2)
KEEP_FINISHED = timedelta(days=30)
_PRUNE_EVERY = timedelta(hours=1)
_PRUNE_BATCH = 1000


@dataclass(frozen=True, slots=True)
class SenderStats:
    """What this process did since it started; for counters in the metrics."""

    sent: int
    retried: int
    failed: int
    skipped: int
    in_flight: int


class Sender:
    """Claims due rows, renders, sends, marks; no connection is held while a mail travels.

    `email_from` and `app_name` make the From header. `concurrency` mails travel at once. A mail may take `timeout`
    seconds; `lease` seconds (more than `timeout`) after its claim it is due again, should this process die.
    `poll` is the pause in seconds when nothing is due.

    Raises:
        BadAddressError: `email_from` is not a mail address (a wrong sender must stop the start, not every mail).
    """

    def __init__(
        self,
        db: Database,
        transport: Transport,
        *,
        outbox: Outbox,
        renderer: Renderer,
        clock: Clock,
        email_from: str,
        app_name: str,
        concurrency: int = 4,
        timeout: float = 60.0,
        lease: float = 180.0,
        poll: float = 1.0,
    ) -> None:
        if lease <= timeout:
            raise ValueError("the lease must outlast the time-out, or a slow mail is sent twice")
        self._db = db
        self._transport = transport
        self._outbox = outbox
        self._renderer = renderer
        self._clock = clock
        self._origin = origin_of(email_from or "identry@localhost", app_name)  # empty only where nothing is sent
        self._concurrency = concurrency
        self._timeout = timeout
        self._lease = timedelta(seconds=lease)
        self._poll = poll
        self._counts: Counter[str] = Counter()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._prune_at = clock.now() + _PRUNE_EVERY

    @property
    def sends(self) -> bool:
        """Whether mail leaves, or is kept for reading in development; False: it is dropped."""
        return not isinstance(self._transport, NullTransport)

    def start(self) -> None:
        """Begin in the running event loop."""
        self._stopping.clear()
        self._loop = asyncio.create_task(self._run(), name="mail-sender")

    async def stop(self, grace: float = 10.0) -> None:
        """Claim nothing more, give the mails in flight `grace` seconds, close the transport.

        What is cut off stays leased and is sent later by whoever runs then.
        """
        self._stopping.set()
        if self._loop is not None:
            await self._loop
            self._loop = None
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._transport.close()

    @property
    def is_off(self) -> bool:
        """Whether mail is off: nothing leaves, and nobody can read it."""
        return isinstance(self._transport, NullTransport)

    @property
    def stats(self) -> SenderStats:
        """The counters of this process."""
        return SenderStats(
            sent=self._counts["sent"],
            retried=self._counts["retried"],
            failed=self._counts["failed"],
            skipped=self._counts["skipped"],
            in_flight=len(self._in_flight),
        )

    async def send_due(self) -> int:
        """Send everything that is due now and wait for it; returns how many rows were claimed.

        For commands and tests; the loop does the same without waiting.
        """
        total = 0
        while claimed := await self._claim():
            total += claimed
            await asyncio.gather(*self._in_flight)
        return total

    async def _run(self) -> None:
        pause = self._poll
        while not self._stopping.is_set():
            try:
                claimed = await self._claim()
                await self._prune_when_due()
                pause = 0.0 if claimed else self._poll
            except Unavailable:
                pause = min(max(pause, self._poll) * 2, 30.0)
                _LOG.warning("mail.database_unavailable", retry_in=pause)
            except Exception:
                pause = 30.0
                _LOG.exception("mail.sender_error", retry_in=pause)
            await self._rest(pause)

    async def _rest(self, pause: float) -> None:
        """Wait `pause` seconds, spread so that replicas do not march in step, and until there is a free place."""
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            if pause:
                await asyncio.wait({stopped}, timeout=pause * _JITTER.uniform(0.8, 1.0))
            while len(self._in_flight) >= self._concurrency and not self._stopping.is_set():
                await asyncio.wait({stopped, *self._in_flight}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()

    async def _claim(self) -> int:
        free = self._concurrency - len(self._in_flight)
        rows = await self._outbox.claim(self._db, limit=free, lease=self._lease) if free > 0 else []
        for row in rows:
            task = asyncio.create_task(self._deliver(row), name=f"mail-{row.id}")
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)
        return len(rows)

    async def _deliver(self, row: MailRow) -> None:
        try:
            await self._settle(row)
        except Unavailable:
            # Sent or not, the mark is lost: the lease runs out and the row is due again.
            _LOG.warning("mail.mark_lost", mail_id=str(row.id), template=row.template)
        except Exception:
            _LOG.exception("mail.delivery_error", mail_id=str(row.id), template=row.template)

    async def _settle(self, row: MailRow) -> None:
        try:
            outcome = await self._send(row)
        except DeliveryError as failure:
            await self._after_failure(row, failure)
            return
        if outcome is Outcome.SKIPPED:
            await self._outbox.mark_skipped(self._db, row)
        else:
            await self._outbox.mark_sent(self._db, row, keep_payload=outcome is Outcome.KEPT)
        self._counts["skipped" if outcome is Outcome.SKIPPED else "sent"] += 1
        _LOG.info(f"mail.{outcome.value}", mail_id=str(row.id), template=row.template, attempts=row.attempts)

    async def _send(self, row: MailRow) -> Outcome:
        if self._clock.now() >= row.give_up_at:
            raise DeliveryError("expired" if row.last_error is None else row.last_error, permanent=True)
        message = self._compose(row)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._transport.send(message)
        except TimeoutError:
            raise DeliveryError("timeout") from None

    def _compose(self, row: MailRow) -> Message:
        try:
            context = self._outbox.open(row)
            mail = self._renderer.render(row.template, to=row.recipient, context=context, created_at=row.created_at)
            return compose(
                mail,
                mail_id=row.id,
                origin=self._origin,
                to=row.recipient,
                date=self._clock.now(),
            )
        except BadAddressError:
            raise DeliveryError("bad_address", permanent=True) from None
        except (MailTemplateError, KeyError):
            raise DeliveryError("template") from None  # a newer replica or a mended template may know it
        except ValueError:
            raise DeliveryError("unreadable", permanent=True) from None

    async def _after_failure(self, row: MailRow, failure: DeliveryError) -> None:
        at = self._clock.now() + back_off(row.attempts)
        if failure.permanent or at >= row.give_up_at:
            await self._outbox.mark_failed(self._db, row, error=failure.reason)
            self._counts["failed"] += 1
            _LOG.error("mail.failed", mail_id=str(row.id), template=row.template, reason=failure.reason)
            return
        await self._outbox.mark_retry(self._db, row, at=at, error=failure.reason)
        self._counts["retried"] += 1
        _LOG.warning(
            "mail.retry", mail_id=str(row.id), template=row.template, reason=failure.reason, attempts=row.attempts
        )

    async def _prune_when_due(self) -> None:
        now = self._clock.now()
        if now < self._prune_at:
            return
        deleted = await self._outbox.prune(self._db, older_than=KEEP_FINISHED, limit=_PRUNE_BATCH)
        self._prune_at = now + (_PRUNE_EVERY if deleted < _PRUNE_BATCH else timedelta(0))


def back_off(attempts: int) -> timedelta:
    """The pause after the n-th attempt: 15 s, 30 s, 1 min … 2 h, each between 75 % and 125 % of that."""
    doublings = min(max(attempts - 1, 0), 20)
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY) * _JITTER.uniform(0.75, 1.25)
