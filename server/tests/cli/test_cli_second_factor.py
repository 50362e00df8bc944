"""`identry reset-mfa`."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from browser import Browser, assert_error
from enrolment import owner
from harness import SIGNING_PEM, Harness, Servers
from letters import letters
from services.program import identry

from identry.records import factors


async def run(app: Harness, servers: Servers, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {
        "APP_ENV": "development",
        "DATABASE_URL": servers.postgres_url,
        "SECRET_KEY": app.env["SECRET_KEY"],
        "JWT_SIGNING_KEY_PEM": SIGNING_PEM,
    }
    return await asyncio.to_thread(lambda: identry("reset-mfa", *arguments, cwd=cwd, **env))


async def test_the_operator_takes_a_factor_off_whoever_lost_it(app: Harness, servers: Servers, tmp_path: Path) -> None:
    found = await owner(app, user={"global_role": "PLATFORM_SUPERADMIN"})
    done = await run(app, servers, tmp_path, found.person.email.upper())
    assert done.returncode == 0, done.stderr
    assert f"{found.person.email} has no second factor any more" in done.stdout
    assert await factors.find(app.db, found.person.id) is None
    assert_error(await found.browser.get("/me"), 401, "token_revoked")
    assert (await Browser(app).login(found.person)).json()["access_token"]
    [row] = await app.audit("auth.mfa.reset", target_user_id=found.person.id)
    assert row["actor_type"] == "system"
    assert len(await letters(app, found.person.email, "mfa_reset")) == 1


async def test_what_cannot_be_reset_is_one_clear_line(app: Harness, servers: Servers, tmp_path: Path) -> None:
    person = await app.make_user()
    for address, told in (
        (person.email, "no second factor is enabled"),
        ("nobody@example.com", "no account nobody@example.com"),
        ("Ada <ada@example.com>", "is not a bare mail address"),
    ):
        done = await run(app, servers, tmp_path, address)
        assert done.returncode == 1, address
        assert told in done.stderr, done.stderr
