"""Members of an application, from the command line: list them, or invite many.

    export IDENTRY_URL=https://auth.example.com IDENTRY_CLIENT_ID=orders
    IDENTRY_TOKEN=…                             python members.py list
    IDENTRY_CLIENT_SECRET=… IDENTRY_APP_ID=7    python members.py invite editor ada@example.com bob@example.com

`list` is in the name of the administrator whose token it gets, with the blocking client; `invite` is in the name of the
application, with the async one, four at a time. IDENTRY_ADMIN_URL says where the administration is, if it is not port
8081 of the same host. Exit code 0: all done; 1: something was not.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from identry_kit.client import BlockingClient, Client, ClientError, UserAlreadyExists


def settings() -> dict[str, Any]:
    """What both clients are made from."""
    env = os.environ
    return {
        "base_url": env.get("IDENTRY_URL", ""),
        "client_id": env.get("IDENTRY_CLIENT_ID", ""),
        "client_secret": env.get("IDENTRY_CLIENT_SECRET", ""),
        "app_id": env.get("IDENTRY_APP_ID", ""),
        "admin_base_url": env.get("IDENTRY_ADMIN_URL", ""),
    }


def list_members(token: str) -> None:
    """One line for each member; the client turns the pages."""
    with BlockingClient(**settings()) as client:
        for user in client.with_jwt(token).users():
            print(f"{user.id}\t{user.role}\t{user.email}")


async def invite(role: str, emails: list[str]) -> bool:
    """Invite all; whether every one of them is a member now. One that fails does not keep the others from it."""
    at_once = asyncio.Semaphore(4)

    async def one(client: Client, email: str) -> bool:
        async with at_once:
            try:
                made = await client.invite_user_as_service(email, role)
            except UserAlreadyExists:
                print(f"{email}: is a member already")
            except ClientError as error:  # no error holds a token or a secret: it may be printed
                print(f"{email}: {error}", file=sys.stderr)
                return False
            else:
                print(f"{email}: invited as {made.user_id}")
            return True

    async with Client(**settings()) as client:  # one client: one service token, fetched once for all
        return all(await asyncio.gather(*(one(client, email) for email in emails)))


def main(arguments: list[str]) -> int:
    """The exit code."""
    try:
        match arguments:
            case ["list"]:
                list_members(os.environ.get("IDENTRY_TOKEN", ""))
                return 0
            case ["invite", role, *emails] if emails:
                return 0 if asyncio.run(invite(role, emails)) else 1
    except (ClientError, ValueError) as error:  # ValueError: a setting that can never work
        print(f"members: {error}", file=sys.stderr)
        return 1
    print(__doc__)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
