"""Which transport the variables choose, what they carry, and how their failures are told."""

import email
import email.policy
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from urllib.request import urlopen

import boto3
import pytest
from rows import every

from identry.core.db import Database
from identry.core.mail import MailboxTransport, NullTransport, Outbox, Sender, choose_transport
from identry.core.mail.ses import SESTransport
from identry.core.mail.smtp import SMTPServer, SMTPTransport, parse_smtp_url

NOTHING = {
    "email_enabled": True,
    "email_from": "",
    "ses_region": "",
    "ses_access_key_id": "",
    "ses_secret_access_key": "",
    "smtp_url": "",
    "development": False,
}
SES = {
    "email_from": "no-reply@example.com",
    "ses_region": "eu-central-1",
    "ses_access_key_id": "AKIAEXAMPLE",
    "ses_secret_access_key": "secret",
}
NAMES = {
    "email_from": "EMAIL_FROM",
    "ses_region": "SES_AWS_REGION",
    "ses_access_key_id": "SES_AWS_ACCESS_KEY_ID",
    "ses_secret_access_key": "SES_AWS_SECRET_ACCESS_KEY",
}


@every("left_out", NAMES)
def test_incomplete_ses_skips_mail_and_names_what_is_missing(left_out: str) -> None:
    transport, notice = choose_transport(**NOTHING | SES | {left_out: ""})
    assert isinstance(transport, NullTransport)
    assert notice is not None
    assert [name for name in NAMES.values() if name in notice.partition(" for SES")[0]] == [NAMES[left_out]]
    assert SES["ses_secret_access_key"] not in notice.replace("SECRET", "").replace("secret_access", "")


def test_nothing_set_means_skipped_in_production_and_the_mailbox_in_development() -> None:
    transport, notice = choose_transport(**NOTHING)
    assert isinstance(transport, NullTransport)
    assert notice is not None
    assert all(name in notice for name in NAMES.values())
    transport, notice = choose_transport(**NOTHING | {"development": True})
    assert isinstance(transport, MailboxTransport)
    assert notice is None
    transport, notice = choose_transport(**NOTHING | {"development": True, "ses_region": "eu-central-1"})
    assert isinstance(transport, MailboxTransport)
    assert notice is not None


def test_email_enabled_false_wins_over_everything() -> None:
    transport, notice = choose_transport(**NOTHING | SES | {"email_enabled": False, "development": True})
    assert isinstance(transport, NullTransport)
    assert notice is not None


async def test_ses_wins_over_smtp_and_says_so() -> None:
    transport, notice = choose_transport(**NOTHING | SES | {"smtp_url": "smtp://mx.example.com"})
    assert isinstance(transport, SESTransport)
    assert notice == "SMTP_URL is ignored: the SES variables are complete"
    await transport.close()


def test_smtp_needs_a_sender_address() -> None:
    smtp = {"smtp_url": "smtp://mx.example.com"}
    transport, notice = choose_transport(**NOTHING | smtp)
    assert isinstance(transport, NullTransport)
    assert "EMAIL_FROM" in (notice or "")
    transport, notice = choose_transport(**NOTHING | smtp | {"email_from": "a@example.com"})
    assert isinstance(transport, SMTPTransport)
    assert notice is None


@every(
    ("url", "server"),
    [
        ("smtp://mx.example.com", SMTPServer("mx.example.com", 587, False, "required", None, None)),
        ("smtp://localhost:25", SMTPServer("localhost", 25, False, "auto", None, None)),
        ("smtp://[::1]:2525", SMTPServer("::1", 2525, False, "auto", None, None)),
        ("smtp://mx.example.com:25?starttls=never", SMTPServer("mx.example.com", 25, False, "never", None, None)),
        ("smtps://u%40x:p%2Fw%23@mx.example.com", SMTPServer("mx.example.com", 465, True, "never", "u@x", "p/w#")),
    ],
)
def test_an_smtp_url_is_read(url: str, server: SMTPServer) -> None:
    assert parse_smtp_url(url) == server


@every(
    "url",
    [
        "mx.example.com:25",
        "http://u:hunter2@mx.example.com",
        "smtp://",
        "smtp://mx:port",
        "smtp://u:hunter2@mx.example.com:99999",
        "smtp://u:hunter2/x@mx.example.com",
        "smtp://u@mx.example.com",
        "smtp://mx.example.com?starttls=maybe",
        "smtp://mx.example.com?tls=1",
        "smtps://mx.example.com?starttls=required",
    ],
)
def test_a_wrong_smtp_url_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="SMTP_URL") as refused:
        parse_smtp_url(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__


def test_a_password_is_never_printed() -> None:
    assert "hunter2" not in repr(parse_smtp_url("smtps://u:hunter2@mx.example.com"))


async def queue_and_send(db: Database, outbox: Outbox, sender: Sender, to: str) -> str | None:
    await outbox.enqueue(db, template="account_approved", to=to, context={"full_name": "محمد <b>"})
    await sender.send_due()
    (row,) = await outbox.newest(db, limit=2)
    assert (row.sent_at is None) == (row.last_error is not None)
    return row.last_error


async def test_required_tls_is_not_given_up_when_the_server_lacks_it(
    db: Database, outbox: Outbox, sender_of: Callable[..., Sender], smtp
) -> None:
    sender = sender_of(SMTPTransport(smtp.url + "?starttls=required"))
    assert await queue_and_send(db, outbox, sender, "tls@example.org") == "smtp_not_supported"
    assert smtp.to("tls@example.org") == []


async def test_ses_takes_the_message_as_composed(
    db: Database, outbox: Outbox, sender_of: Callable[..., Sender], ses_endpoint: str
) -> None:
    credentials = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "secret"}
    client = boto3.client("sesv2", region_name="eu-central-1", endpoint_url=ses_endpoint, **credentials)
    client.create_email_identity(EmailIdentity="no-reply@example.com")
    client.close()
    transport, notice = choose_transport(**NOTHING | SES, ses_endpoint_url=ses_endpoint)
    assert notice is None
    assert await queue_and_send(db, outbox, sender_of(transport), "ada@example.org") is None
    with urlopen(f"{ses_endpoint}/moto-api/data.json") as answer:
        (raw,) = json.load(answer)["ses"]["RawMessage"]
    parsed = email.message_from_string(raw["raw_data"], policy=email.policy.default)
    assert parsed["To"] == "ada@example.org"
    assert parsed["Subject"] == "Your Kisum Auth account is approved"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert {part.get_content_type() for part in parsed.iter_parts()} == {"text/plain", "text/html"}


async def test_ses_refusing_a_message_is_final(
    db: Database, outbox: Outbox, sender_of: Callable[..., Sender], ses_endpoint: str
) -> None:
    options = NOTHING | SES | {"ses_region": "us-east-2"}  # nobody is verified there
    transport, _ = choose_transport(**options, ses_endpoint_url=ses_endpoint)
    assert await queue_and_send(db, outbox, sender_of(transport), "ada@example.org") == "ses_MessageRejected"
    (row,) = await outbox.newest(db, limit=1)
    assert row.failed_at is not None


async def test_ses_out_of_reach_is_tried_again(db: Database, outbox: Outbox, sender_of: Callable[..., Sender]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for port, reason in ((1, "ses_EndpointConnectionError"), (silent.getsockname()[1], "ses_ReadTimeoutError")):
            transport = SESTransport(
                region="eu-central-1",
                access_key_id="AKIAEXAMPLE",
                secret_access_key="secret",
                endpoint_url=f"http://127.0.0.1:{port}",
                timeout=0.3,
            )
            await db.execute("TRUNCATE mail_outbox")
            assert await queue_and_send(db, outbox, sender_of(transport), "ada@example.org") == reason
            (row,) = await outbox.newest(db, limit=1)
            assert row.failed_at is None


def test_boto3_is_loaded_only_where_ses_is_used() -> None:
    code = "import sys, identry.core.mail; sys.exit('boto3' in sys.modules or 'aiosmtplib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
