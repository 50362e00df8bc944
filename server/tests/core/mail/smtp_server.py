"""A real SMTP server in its own process: the recipient's local part says how it behaves, a folder keeps what it takes.

`python smtp_server.py FOLDER` prints its port, then serves until its stdin closes.
"""

import asyncio
import itertools
import json
import sys
from collections import Counter
from pathlib import Path

from aiosmtpd.smtp import SMTP


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


async def main() -> None:
    behaviour = Behaviour(Path(sys.argv[1]))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(behaviour, enable_SMTPUTF8=True, hostname="mx.test"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
