"""SMTP with TLS and a login: both ways to begin TLS, and what happens when the certificate or the password is wrong."""

import datetime
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from identry.core.db import Database
from identry.core.mail import Outbox, Sender
from identry.core.mail.smtp import SMTPTransport

from .conftest import HERE, Inbox


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.test")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return pem


@pytest.fixture(scope="module")
def secure(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Inbox, int]]:
    """The server and its second port, which speaks TLS from the first byte."""
    folder = tmp_path_factory.mktemp("smtp-tls")
    command = [sys.executable, str(HERE / "smtp_server.py"), str(folder), str(certificate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        starts, whole = map(int, process.stdout.readline().split())
        yield Inbox(starts, folder), whole
        process.kill()


@pytest.fixture
def url(secure: tuple[Inbox, int]) -> Callable[..., str]:
    def make(scheme: str, password: str = "correct-horse", options: str = "") -> str:
        inbox, whole = secure
        port = whole if scheme == "smtps" else inbox.url.rpartition(":")[2]
        return f"{scheme}://ada:{password}@127.0.0.1:{port}{options}"

    return make


@pytest.fixture
def send(db: Database, outbox: Outbox, sender_of: Callable[..., Sender], address: Callable[[str], str]) -> Callable:
    """Send one mail through a URL; returns (address, error or None)."""

    async def once(url: str) -> tuple[str, str | None]:
        to = address("tls")
        await outbox.enqueue(db, template="account_approved", to=to, context={})
        await sender_of(SMTPTransport(url, timeout=30.0)).send_due()
        (row,) = await outbox.newest(db, limit=2)
        assert (row.sent_at is None) == (row.last_error is not None)
        assert row.failed_at is None, "nothing that an operator can repair is final"
        return to, row.last_error

    return once


@pytest.mark.parametrize(("scheme", "options"), [("smtp", "?starttls=required"), ("smtp", ""), ("smtps", "")])
async def test_mail_travels_encrypted_after_a_login(
    secure: tuple[Inbox, int],
    url: Callable[..., str],
    send: Callable,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    options: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    to, error = await send(url(scheme, options=options))
    assert error is None
    assert len(secure[0].to(to)) == 1


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_certificate_that_nobody_vouches_for_gets_no_mail(
    secure: tuple[Inbox, int], url: Callable[..., str], send: Callable, scheme: str
) -> None:
    to, error = await send(url(scheme))
    assert error in {"smtp_tls", "smtp_connecterror"}
    assert secure[0].to(to) == []


async def test_a_wrong_password_is_tried_again_because_an_operator_can_mend_it(
    secure: tuple[Inbox, int],
    url: Callable[..., str],
    send: Callable,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    to, error = await send(url("smtps", password="hunter2"))
    assert error == "smtp_authenticationerror_535"
    assert secure[0].to(to) == []
    assert "hunter2" not in "".join(capfd.readouterr())
