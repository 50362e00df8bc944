"""The outbox keeps mail exactly as long as the transaction that caused it, and keeps its secrets."""

import base64
from datetime import timedelta

import pytest

from identry.core.clock import MovableClock
from identry.core.db import Database
from identry.core.mail import Outbox
from identry.core.mail.outbox import MailRow
from identry.core.secrets import Sealer

LEASE = timedelta(minutes=3)


async def test_mail_exists_when_its_transaction_commits(db: Database, outbox: Outbox, reset_context: dict) -> None:
    async with db.transaction() as tx:
        mail_id = await outbox.enqueue(tx, template="password_reset", to="ada@example.org", context=reset_context)
    row = await outbox.find(db, mail_id)
    assert row is not None
    assert outbox.open(row) == reset_context


async def test_mail_vanishes_with_a_transaction_that_rolls_back(db: Database, outbox: Outbox) -> None:
    async def register() -> None:
        async with db.transaction() as tx:
            await outbox.enqueue(tx, template="registration_pending", to="ada@example.org", context={})
            raise LookupError

    with pytest.raises(LookupError):
        await register()
    assert await outbox.newest(db, limit=10) == []


@pytest.mark.parametrize(
    ("template", "context"),
    [
        ("no_such_mail", {}),
        ("password_reset", {"token": "t"}),
        ("registration_pending", {"fullname": "typo"}),
    ],
)
async def test_a_wrong_call_is_refused_where_it_is_made(
    db: Database, outbox: Outbox, template: str, context: dict
) -> None:
    with pytest.raises(ValueError, match="mail"):
        await outbox.enqueue(db, template=template, to="ada@example.org", context=context)


async def test_a_dump_of_the_table_shows_no_token(db: Database, outbox: Outbox, reset_context: dict) -> None:
    await outbox.enqueue(db, template="password_reset", to="ada@example.org", context=reset_context)
    token = reset_context["token"]
    dump = "\n".join(row["line"] for row in await db.fetch("SELECT mail_outbox::text AS line FROM mail_outbox"))
    assert "ada@example.org" in dump
    for form in (token, token.encode().hex(), base64.b64encode(token.encode()).decode().rstrip("=")):
        assert form not in dump


async def test_a_payload_moved_to_another_address_does_not_open(
    db: Database, outbox: Outbox, reset_context: dict
) -> None:
    mail_id = await outbox.enqueue(db, template="password_reset", to="ada@example.org", context=reset_context)
    await db.execute("UPDATE mail_outbox SET recipient = 'eve@example.org' WHERE id = $1", mail_id)
    row = await outbox.find(db, mail_id)
    assert row is not None
    with pytest.raises(ValueError, match="unreadable"):
        outbox.open(row)


async def test_a_payload_sealed_with_another_key_does_not_open(
    db: Database, outbox: Outbox, clock: MovableClock
) -> None:
    mail_id = await outbox.enqueue(db, template="registration_pending", to="ada@example.org", context={})
    row = await outbox.find(db, mail_id)
    assert row is not None
    with pytest.raises(ValueError, match="unreadable"):
        Outbox(Sealer(b"x" * 32, "test"), clock).open(row)


async def test_a_claimed_row_is_nobody_elses_until_its_lease_ends(
    db: Database, outbox: Outbox, clock: MovableClock
) -> None:
    await outbox.enqueue(db, template="registration_pending", to="ada@example.org", context={})
    assert len(await outbox.claim(db, limit=5, lease=LEASE)) == 1
    assert await outbox.claim(db, limit=5, lease=LEASE) == []
    clock.advance(LEASE)
    assert len(await outbox.claim(db, limit=5, lease=LEASE)) == 1


async def test_who_lost_the_lease_can_no_longer_mark(db: Database, outbox: Outbox, clock: MovableClock) -> None:
    await outbox.enqueue(db, template="registration_pending", to="ada@example.org", context={})
    (late,) = await outbox.claim(db, limit=1, lease=LEASE)
    clock.advance(LEASE)
    (owner,) = await outbox.claim(db, limit=1, lease=LEASE)
    assert not await outbox.mark_failed(db, late, error="timeout")
    assert not await outbox.mark_retry(db, late, at=clock.now(), error="timeout")
    assert await outbox.mark_sent(db, owner)
    assert not await outbox.mark_sent(db, owner)


async def test_a_finished_row_forgets_what_it_said(db: Database, outbox: Outbox, reset_context: dict) -> None:
    async def finished(end: str) -> MailRow:
        mail_id = await outbox.enqueue(db, template="password_reset", to="ada@example.org", context=reset_context)
        (row,) = await outbox.claim(db, limit=1, lease=LEASE)
        match end:
            case "sent":
                await outbox.mark_sent(db, row)
            case "failed":
                await outbox.mark_failed(db, row, error="smtp_recipient_550")
            case "skipped":
                await outbox.mark_skipped(db, row)
        found = await outbox.find(db, mail_id)
        assert found is not None
        return found

    sent, failed, skipped = [await finished(end) for end in ("sent", "failed", "skipped")]
    assert [row.payload_encrypted for row in (sent, failed, skipped)] == [None, None, None]
    assert sent.sent_at
    assert failed.failed_at
    assert failed.last_error == "smtp_recipient_550"
    assert (skipped.sent_at, skipped.failed_at, skipped.last_error) == (None, None, "skipped")


async def test_stats_tell_how_much_waits_and_how_long(db: Database, outbox: Outbox, clock: MovableClock) -> None:
    assert (await outbox.stats(db)).queued == 0
    await outbox.enqueue(db, template="registration_pending", to="ada@example.org", context={})
    clock.advance(90)
    await outbox.enqueue(db, template="registration_pending", to="bob@example.org", context={})
    stats = await outbox.stats(db)
    assert stats.queued == 2
    assert 90 <= stats.oldest_seconds < 120


async def test_pruning_takes_old_finished_rows_only(db: Database, outbox: Outbox, clock: MovableClock) -> None:
    await outbox.enqueue(db, template="registration_pending", to="done@example.org", context={})
    (row,) = await outbox.claim(db, limit=1, lease=LEASE)
    await outbox.mark_sent(db, row)
    await outbox.enqueue(db, template="registration_pending", to="waits@example.org", context={})
    clock.advance(timedelta(days=31))
    await outbox.enqueue(db, template="registration_pending", to="new@example.org", context={})
    assert await outbox.prune(db, older_than=timedelta(days=30)) == 1
    assert [row.recipient for row in await outbox.newest(db, limit=10)] == ["new@example.org", "waits@example.org"]
