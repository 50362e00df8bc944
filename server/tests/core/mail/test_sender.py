"""The sender over real SMTP: once, again when it must, and never in anybody's way."""

import asyncio
import email
import email.policy
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest

from identry.core.clock import MovableClock
from identry.core.db import Database
from identry.core.mail import MailboxTransport, MailRow, NullTransport, Outbox, Sender
from identry.core.mail.sender import LONGEST_RETRY, back_off
from identry.core.mail.smtp import SMTPTransport

from .conftest import HERE, Inbox

pytestmark = pytest.mark.usefixtures("db")
Address = Callable[[str], str]


async def queue(db: Database, outbox: Outbox, to: str, template: str = "registration_pending") -> None:
    async with db.transaction() as tx:
        await outbox.enqueue(tx, template=template, to=to, context={"full_name": "Ada"})


async def only_row(db: Database, outbox: Outbox) -> MailRow:
    (row,) = await outbox.newest(db, limit=2)
    return row


async def test_a_committed_mail_is_sent_once(
    db: Database, outbox: Outbox, sender: Sender, smtp: Inbox, address: Address
) -> None:
    to = address("fine")
    await queue(db, outbox, to)
    assert await sender.send_due() == 1
    assert await sender.send_due() == 0
    (message,) = smtp.to(to)
    parsed = email.message_from_string(message["data"], policy=email.policy.default)
    assert message["from"] == "no-reply@example.com"
    assert parsed["From"] == "Kisum Auth <no-reply@example.com>"
    assert parsed["Subject"] == "We received your registration for Kisum Auth"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in parsed.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    row = await only_row(db, outbox)
    assert row.sent_at is not None
    assert row.payload_encrypted is None
    assert sender.stats.sent == 1


async def test_the_loop_sends_without_being_asked(
    db: Database, outbox: Outbox, sender_of: Callable[..., Sender], smtp: Inbox, address: Address
) -> None:
    sender = sender_of(SMTPTransport(smtp.url), poll=0.05)
    sender.start()
    to = address("fine")
    await queue(db, outbox, to)
    while not smtp.to(to):
        await asyncio.sleep(0.02)
    await sender.stop()
    assert (await only_row(db, outbox)).sent_at is not None


async def test_a_temporary_refusal_is_tried_again_later(
    db: Database, outbox: Outbox, sender: Sender, smtp: Inbox, address: Address, clock: MovableClock
) -> None:
    to = address("busy")
    await queue(db, outbox, to)
    await sender.send_due()
    row = await only_row(db, outbox)
    assert (row.last_error, row.sent_at, row.failed_at) == ("smtp_recipient_451", None, None)
    assert await sender.send_due() == 0
    clock.advance(30)
    assert await sender.send_due() == 1
    assert len(smtp.to(to)) == 1


@pytest.mark.parametrize(
    ("behaviour", "reason"), [("unknown", "smtp_recipient_550"), ("spam", "smtp_data_554")], ids=["rcpt", "data"]
)
async def test_a_permanent_refusal_is_final(
    db: Database, outbox: Outbox, sender: Sender, address: Address, behaviour: str, reason: str
) -> None:
    await queue(db, outbox, address(behaviour))
    await sender.send_due()
    row = await only_row(db, outbox)
    assert row.failed_at is not None
    assert (row.last_error, row.payload_encrypted, row.attempts) == (reason, None, 1)
    assert sender.stats.failed == 1


async def test_a_server_that_is_away_or_hangs_costs_a_retry(
    db: Database, outbox: Outbox, sender_of: Callable[..., Sender], smtp: Inbox, address: Address, clock: MovableClock
) -> None:
    await queue(db, outbox, address("hang"))
    await sender_of(SMTPTransport("smtp://127.0.0.1:1")).send_due()
    assert (await only_row(db, outbox)).last_error == "smtp_connecterror"
    clock.advance(30)
    await sender_of(SMTPTransport(smtp.url, timeout=0.2)).send_due()
    assert (await only_row(db, outbox)).last_error == "smtp_timeout"
    clock.advance(60)
    await sender_of(SMTPTransport(smtp.url, timeout=60), timeout=0.2).send_due()
    assert (await only_row(db, outbox)).last_error == "timeout"


async def test_after_a_day_of_retries_it_gives_up(
    db: Database, outbox: Outbox, sender: Sender, address: Address, clock: MovableClock
) -> None:
    await queue(db, outbox, address("always-busy"))
    while (row := await only_row(db, outbox)).failed_at is None:
        await sender.send_due()
        clock.advance(LONGEST_RETRY * 1.25)
    assert row.failed_at - row.created_at <= timedelta(hours=27)
    assert row.attempts >= 9
    assert row.last_error == "smtp_recipient_450"


async def test_a_link_that_has_ended_is_not_mailed(
    db: Database, outbox: Outbox, sender: Sender, smtp: Inbox, clock: MovableClock, reset_context: dict
) -> None:
    await outbox.enqueue(db, template="password_reset", to="late@example.org", context=reset_context)
    clock.advance(timedelta(hours=1))
    await sender.send_due()
    assert (await only_row(db, outbox)).last_error == "expired"
    assert smtp.to("late@example.org") == []


async def test_a_hung_server_delays_nobody_who_queues(
    schema: str, outbox: Outbox, sender_of: Callable[..., Sender], smtp: Inbox, address: Address
) -> None:
    only_one = await Database.connect(schema, min_size=1, max_size=1, patience=30)
    try:
        for _ in range(4):
            await queue(only_one, outbox, address("hang"))
        sender = sender_of(SMTPTransport(smtp.url, timeout=60), over=only_one, poll=0.05)
        sender.start()
        while sender.stats.in_flight < 4:
            await asyncio.sleep(0.02)
        for _ in range(20):
            await queue(only_one, outbox, address("fine"))
        assert sender.stats.in_flight == 4
        await sender.stop(grace=0)
    finally:
        await only_one.close()


async def test_two_senders_share_and_never_repeat(
    schema: str, db: Database, outbox: Outbox, sender_of: Callable[..., Sender], smtp: Inbox, address: Address
) -> None:
    recipients = [address("shared") for _ in range(40)]
    for to in recipients:
        await queue(db, outbox, to)
    other_db = await Database.connect(schema, min_size=1, max_size=4, patience=30)
    try:
        pair = [sender_of(SMTPTransport(smtp.url)), sender_of(SMTPTransport(smtp.url), over=other_db)]
        await asyncio.gather(*(sender.send_due() for sender in pair))
    finally:
        await other_db.close()
    assert [len(smtp.to(to)) for to in recipients] == [1] * 40
    assert sum(sender.stats.sent for sender in pair) == 40
    assert all(sender.stats.sent for sender in pair)


async def test_a_process_killed_between_send_and_mark_sends_again_after_its_lease(
    schema: str, db: Database, outbox: Outbox, sender: Sender, smtp: Inbox, address: Address, clock: MovableClock
) -> None:
    to = address("held")
    await queue(db, outbox, to)
    command = [sys.executable, str(HERE / "sender_process.py"), schema, smtp.url]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        while not smtp.to(to):
            assert process.poll() is None
            await asyncio.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    assert await sender.send_due() == 0, "the dead process still holds its lease"
    clock.advance(1200)  # its lease is by the clock of the machine, which has gone on meanwhile
    assert await sender.send_due() == 1
    first, second = (email.message_from_string(message["data"]) for message in smtp.to(to))
    assert first["Message-ID"] == second["Message-ID"]


async def test_stopping_lets_a_mail_in_flight_arrive(
    db: Database, outbox: Outbox, sender_of: Callable[..., Sender], smtp: Inbox, address: Address
) -> None:
    sender = sender_of(SMTPTransport(smtp.url), poll=0.05)
    to = address("fine")
    await queue(db, outbox, to)
    sender.start()
    while not sender.stats.in_flight:
        await asyncio.sleep(0)
    await sender.stop()
    assert len(smtp.to(to)) == 1
    assert (await only_row(db, outbox)).sent_at is not None


async def test_the_loop_outlives_a_database_that_goes_away(
    schema: str, db: Database, outbox: Outbox, sender_of: Callable[..., Sender], smtp: Inbox, address: Address
) -> None:
    sender = sender_of(SMTPTransport(smtp.url), poll=0.05)
    sender.start()
    await db.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )
    to = address("fine")
    await queue(db, outbox, to)
    while not smtp.to(to):
        await asyncio.sleep(0.05)


async def test_the_mailbox_keeps_mail_readable(
    db: Database, outbox: Outbox, sender_of: Callable[..., Sender], reset_context: dict
) -> None:
    await outbox.enqueue(db, template="password_reset", to="ada@example.org", context=reset_context)
    await sender_of(MailboxTransport()).send_due()
    row = await only_row(db, outbox)
    assert row.sent_at is not None
    assert outbox.open(row) == reset_context


async def test_with_mail_off_the_row_is_finished_and_emptied(
    db: Database, outbox: Outbox, sender_of: Callable[..., Sender]
) -> None:
    sender = sender_of(NullTransport())
    await queue(db, outbox, "ada@example.org")
    await sender.send_due()
    row = await only_row(db, outbox)
    assert (row.sent_at, row.failed_at, row.last_error, row.payload_encrypted) == (None, None, "skipped", None)
    assert sender.stats.skipped == 1


@pytest.mark.parametrize("to", ["ada@example.org\r\nBcc: eve@example.org", "no address", "a,b@example.org", "@x", "a@"])
async def test_an_address_that_could_forge_a_header_gets_nothing(
    db: Database, outbox: Outbox, sender: Sender, smtp: Inbox, to: str
) -> None:
    before = len(smtp.messages)
    await queue(db, outbox, to)
    await sender.send_due()
    assert (await only_row(db, outbox)).last_error == "bad_address"
    assert len(smtp.messages) == before


async def test_an_international_address_is_reached(db: Database, outbox: Outbox, sender: Sender, smtp: Inbox) -> None:
    for to in ("jörg@example.org", "ada@bücher.example"):
        await queue(db, outbox, to)
    await sender.send_due()
    assert len(smtp.to("jörg@example.org")) == 1
    assert len(smtp.to("ada@xn--bcher-kva.example")) == 1


def test_pauses_grow_and_stay_bounded() -> None:
    pauses = [back_off(attempt).total_seconds() for attempt in range(1, 40)]
    assert 11 <= pauses[0] <= 19
    assert all(pause <= LONGEST_RETRY.total_seconds() * 1.25 for pause in pauses)
    assert pauses[4] > pauses[0]
