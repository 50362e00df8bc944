"""A real SMTP server in its own process: the recipient's local part says how it behaves, a folder keeps what it takes.

`python smtp_server.py FOLDER [PEM]` prints its port, then serves until its stdin closes. With PEM (key and certificate)
a second port speaks TLS from the first byte, the first offers STARTTLS, and both want the login ada / correct-horse.
"""

import asyncio
import itertools
import json
import ssl
import sys
from collections import Counter
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Behaviour:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count(1)
        self.seen: Counter[str] = Counter()

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        self.seen[address] += 1
        if address.startswith("busy-") and self.seen[address] == 1:
            return "451 4.3.0 try again later"
        if address.startswith("always-busy-"):
            return "450 4.2.1 mailbox busy"
        if address.startswith("unknown-"):
            return "550 5.1.1 no such user"
        if address.startswith("hang-"):
            await asyncio.sleep(3600)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        address = envelope.rcpt_tos[0]
        if address.startswith("spam-"):
            return "554 5.7.1 message refused"
        record = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": envelope.original_content.decode("utf-8", "surrogateescape"),
        }
        draft = self.folder / "draft"
        draft.write_text(json.dumps(record))
        draft.rename(self.folder / f"{next(self.numbers):04}.json")
        if address.startswith("held-") and self.seen[address] == 1:
            await asyncio.sleep(3600)  # taken, but the sender never hears of it
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data) -> AuthResult:
    return AuthResult(success=data == LoginPassword(b"ada", b"correct-horse"), handled=False)


async def main() -> None:
    behaviour = Behaviour(Path(sys.argv[1]))
    options = {"enable_SMTPUTF8": True, "hostname": "mx.test"}
    tls = None
    if len(sys.argv) > 2:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(sys.argv[2])
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}
    loop = asyncio.get_running_loop()
    starts = await loop.create_server(lambda: SMTP(behaviour, tls_context=tls, **options), "127.0.0.1", 0)
    ports = [starts.sockets[0].getsockname()[1]]
    if tls is not None:
        whole = await loop.create_server(lambda: SMTP(behaviour, **options), "127.0.0.1", 0, ssl=tls)
        ports.append(whole.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
