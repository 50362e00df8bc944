"""Reads every engine's own counters; asks PostgreSQL one small question (what mail waits) and nobody else anything."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from pathlib import Path

import structlog

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import KV, RevocationMarks
from identry.core.mail import Outbox, Sender
from identry.core.mail.outbox import OutboxStats
from identry.core.metrics import Family, Kind, Merge, RequestMetrics, render
from identry.core.metrics.board import Board
from identry.core.metrics.families import Snapshot, counter, gauge
from identry.core.passwords import Passwords
from identry.records.keys import KeyRing
from identry_kit.apierror import APIError

log = structlog.get_logger("identry.metrics")

_EVERY = 2.0
_ASK_MAIL_EVERY = 10.0
_PAGE = resource.getpagesize()


class Metrics:
    """The figures of one process.

    Args:
        requests: counts requests; the others are read when asked.
        version: of this release.
    """

    def __init__(
        self,
        clock: Clock,
        requests: RequestMetrics,
        db: Database,
        kv: KV,
        marks: RevocationMarks,
        passwords: Passwords,
        outbox: Outbox,
        sender: Sender,
        ring: KeyRing,
        version: str,
    ) -> None:
        self._clock = clock
        self._requests = requests
        self._db = db
        self._kv = kv
        self._marks = marks
        self._passwords = passwords
        self._outbox = outbox
        self._sender = sender
        self._ring = ring
        self._version = version
        self._waiting: OutboxStats | None = None
        self._lag = 0.0
        self._task: asyncio.Task[None] | None = None
        self._board: Board | None = None

    def snapshot(self) -> Snapshot:
        """Every family as it is now; the outbox as it was when last asked."""
        return [
            Family(
                "identry_info", Kind.GAUGE, "The release.", ("version",), [((self._version,), [1])], merge=Merge.MAX
            ),
            *self._requests.families(),
            *self._hashing(),
            *self._database(),
            *self._mail(),
            *self._keys_and_marks(),
            *self._process(),
        ]

    async def text(self) -> bytes:
        """The figures as Prometheus reads them: of every worker where they share a folder, else of this process."""
        await self._ask_mail()
        if self._board is None:
            return render(self.snapshot())
        self._put(self._board)
        return render(await asyncio.to_thread(self._board.all, tidy=False))

    def start(self, folder: Path) -> None:
        """Leave a snapshot in `folder` every two seconds until `stop`."""
        self._board = Board(folder)
        self._task = asyncio.create_task(self._publish(self._board), name="metrics")

    async def stop(self) -> None:
        """Publish no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _publish(self, board: Board) -> None:
        loop = asyncio.get_running_loop()
        asked_at = -_ASK_MAIL_EVERY
        try:
            while True:
                if loop.time() - asked_at >= _ASK_MAIL_EVERY:
                    asked_at = loop.time()
                    await self._ask_mail()
                self._put(board)
                due = loop.time() + _EVERY
                await asyncio.sleep(_EVERY)
                self._lag = max(0.0, loop.time() - due)
        finally:
            self._put(board)  # what was counted since, before the process ends

    def _put(self, board: Board) -> None:
        try:
            board.put(self.snapshot())
        except OSError as error:
            log.warning("metrics.not_written", reason=error.strerror)

    async def _ask_mail(self) -> None:
        try:
            self._waiting = await self._outbox.stats(self._db)
        except APIError:
            self._waiting = None  # no figure is better than an old one

    def _hashing(self) -> Snapshot:
        stats = self._passwords.stats
        return [
            gauge("identry_hashing_running", "Passwords being hashed.", stats.running),
            gauge("identry_hashing_queued", "Sign-ins waiting for a hash.", stats.queued),
            counter("identry_hashing_rejected_total", "Sign-ins refused because the queue was full.", stats.rejected),
            counter("identry_hashing_finished_total", "Passwords hashed.", stats.finished),
            counter("identry_hashing_seconds_total", "Time spent hashing, over all threads.", stats.seconds),
        ]

    def _database(self) -> Snapshot:
        (opened, idle), stats = self._db.size, self._db.stats
        return [
            gauge("identry_db_connections", "Connections to PostgreSQL.", opened),
            gauge("identry_db_connections_idle", "Of these, the idle ones.", idle),
            counter("identry_db_waits_total", "Statements that found no idle connection.", stats.waits),
            counter("identry_db_wait_seconds_total", "How long they waited.", stats.waited_seconds),
            counter("identry_db_wait_timeouts_total", "Of these, in vain: answered with 503.", stats.timeouts),
            gauge(
                "identry_redis_unavailable",
                "Workers that gave Redis up for now (their circuit breaker is open).",
                0 if self._kv.available else 1,
            ),
        ]

    def _mail(self) -> Snapshot:
        waiting, done = self._waiting, self._sender.stats
        outcomes = {"sent": done.sent, "retried": done.retried, "failed": done.failed, "skipped": done.skipped}
        return [
            gauge("identry_mail_waiting", "Mails in the outbox.", waiting.queued if waiting else None, Merge.MAX),
            gauge(
                "identry_mail_oldest_seconds",
                "Age of the oldest of them.",
                waiting.oldest_seconds if waiting else None,
                Merge.MAX,
            ),
            Family(
                "identry_mail_attempts_total",
                Kind.COUNTER,
                "Attempts to send by outcome: sent, retried, failed (given up), skipped (mail is off).",
                ("outcome",),
                [((name,), [number]) for name, number in outcomes.items()],
            ),
        ]

    def _keys_and_marks(self) -> Snapshot:
        since = self._ring.active_since()
        age = (self._clock.now() - since).total_seconds() if since else None
        sessions, users = self._marks.counts
        return [
            gauge("identry_signing_key_age_seconds", "Since when the active key signs.", age, Merge.MAX),
            gauge("identry_signing_keys_published", "Keys in the JWKS.", len(self._ring.kids), Merge.MAX),
            gauge(
                "identry_signing_key_reload_failures",
                "Reloads of the keys that failed since the last good one.",
                self._ring.failures,
                Merge.MAX,
            ),
            Family(
                "identry_revocation_marks",
                Kind.GAUGE,
                "Revocations that a worker remembers.",
                ("kind",),
                [(("session",), [sessions]), (("user",), [users])],
                merge=Merge.MAX,
            ),
        ]

    def _process(self) -> Snapshot:
        used = resource.getrusage(resource.RUSAGE_SELF)
        resident = None
        with contextlib.suppress(OSError):  # Linux only
            resident = float(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
        return [
            gauge("identry_workers", "Worker processes.", 1),
            counter("identry_cpu_seconds_total", "Processor time of the workers.", used.ru_utime + used.ru_stime),
            gauge("identry_resident_memory_bytes", "Memory of the workers; what they share counts for each.", resident),
            gauge(
                "identry_event_loop_lag_seconds", "How late a timer of the slowest worker was.", self._lag, Merge.MAX
            ),
        ]
