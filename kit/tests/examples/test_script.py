"""The command with the client, as a person calls it, against an identity server in memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standin.provider import APP_ID, CLIENT_ID, CLIENT_SECRET, Provider, admin_app, public_app
from standin.server import running

SCRIPT = Path(__file__).parents[3] / "examples" / "client_script" / "members.py"


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    public = provider.around(public_app(provider), "public")
    with running(public, provider.around(admin_app(provider), "admin")) as (provider.urls, provider.loop):
        yield provider
        provider.release()


async def members(provider: Provider, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors of `python members.py …`."""
    public, admin = provider.urls
    env = {"IDENTRY_URL": public, "IDENTRY_ADMIN_URL": admin, "IDENTRY_CLIENT_ID": CLIENT_ID, **variables}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, *arguments, env=env, stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_members_are_listed_in_the_callers_name_and_invited_in_the_applications(provider: Any) -> None:
    for number in range(101):  # more than a page
        provider.add(f"user-{number}@example.com")
    secret = {"IDENTRY_CLIENT_SECRET": CLIENT_SECRET, "IDENTRY_APP_ID": str(APP_ID)}
    emails = ["new@example.com", "user-7@example.com", "newer@example.com"]
    listed, invited, refused = await asyncio.gather(
        members(provider, "list", IDENTRY_TOKEN=provider.user_token()),
        members(provider, "invite", "editor", *emails, **secret),
        members(provider, "invite", "emperor", "ada@example.com", **secret),
    )
    assert listed[0] == 0, listed
    assert "1\tadmin\tadmin@example.com\n" in listed[1]
    assert listed[1].count("\n") in {102, 103, 104}  # the invitations are under way at the same time
    assert invited[0] == 0, invited
    assert "user-7@example.com: is a member already\n" in invited[1]
    assert "new@example.com: invited as " in invited[1]
    assert "newer@example.com: invited as " in invited[1]
    assert refused[0] == 1
    assert refused[2].startswith("ada@example.com: ")
    assert CLIENT_SECRET not in "".join(map(str, (invited, refused)))


async def test_what_is_missing_is_one_line(provider: Any) -> None:
    anonymous, nothing = await asyncio.gather(
        members(provider, "invite", "editor", "ada@example.com"), members(provider, "list", IDENTRY_URL="")
    )
    assert anonymous[0] == nothing[0] == 1
    assert "app_id is required" in anonymous[2]
    assert nothing[2] == "members: base_url is required and is an http or https URL\n"
