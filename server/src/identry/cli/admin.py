"""`identry create-admin`: a platform superadmin from the command line."""

from __future__ import annotations

import asyncio
import sys
from getpass import getpass

from identry.cli.administrator import bootstrap
from identry.cli.one_off import one_off_settings
from identry.cli.terminal import complain, complain_of, list_problems, say
from identry.core import secrets
from identry.settings import Settings, SettingsError
from identry.settings.values import bare_address
from identry_kit.apierror import APIError


def create_admin(email: str, name: str, *, promote: bool, from_stdin: bool) -> int:
    """Make the account, or promote it; returns the exit code."""
    try:
        settings = one_off_settings()
        address = bare_address(email)
        return asyncio.run(_create(settings, address, name, promote=promote, from_stdin=from_stdin))
    except SettingsError as error:
        list_problems(error.problems)
    except ValueError as error:
        complain(f"{email!r} {error}")
    except APIError as error:
        complain_of(error)
    except (KeyboardInterrupt, EOFError):
        complain("nothing was changed")
    return 1


async def _create(settings: Settings, email: str, name: str, *, promote: bool, from_stdin: bool) -> int:
    async with bootstrap(settings) as service:
        if promote:
            await service.promote(email)
            say(f"{email} is a platform superadmin now; the password is unchanged")
            return 0
        await service.refuse_taken(email)
        password, generated = _password(from_stdin=from_stdin)
        await service.create(email, name, password)
    say(f"{email} is a platform superadmin{f'; password: {password}' if generated else ''}")
    return 0


def _password(*, from_stdin: bool) -> tuple[str, bool]:
    """(password, whether it was generated): from standard input, typed twice at a terminal, or made."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n"), False
    if not sys.stdin.isatty():
        return secrets.new_token(15), True
    typed = getpass("Password (empty makes one): ")
    if not typed:
        return secrets.new_token(15), True
    if getpass("Once more: ") != typed:
        raise ValueError("was not changed: the two passwords differ")
    return typed, False
