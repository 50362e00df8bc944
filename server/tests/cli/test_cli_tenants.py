"""`identry tenant create` and `identry explain`."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from pathlib import Path
from uuid import UUID

from harness import Harness, Servers
from services.program import identry


async def run(servers: Servers, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        lambda: identry(*arguments, cwd=cwd, APP_ENV="development", DATABASE_URL=servers.postgres_url)
    )


async def test_a_tenant_is_made_with_its_administrator_and_the_rights_are_explained(
    app: Harness, servers: Servers, tmp_path: Path
) -> None:
    slug, admin = f"acme-{secrets.token_hex(4)}", await app.make_user()
    made = await run(servers, tmp_path, "tenant", "create", slug, "--name", "Acme", "--admin", admin.email)
    assert made.returncode == 0, made.stderr
    tenant_id = UUID(made.stdout.strip())
    (row,) = await app.audit("tenant.created", company_id=tenant_id)
    assert row["target_user_id"] == admin.id

    told = await run(servers, tmp_path, "explain", admin.email, "settings.users.read")
    assert told.returncode == 0, told.stderr
    assert f"{admin.email} may users:read in {slug}" in told.stdout
    assert "granted by Admin" in told.stdout

    await app.db.execute("UPDATE users SET is_active = false WHERE id = $1", admin.id)
    told = await run(servers, tmp_path, "explain", str(admin.id), "users:read", "--tenant", slug)
    assert told.returncode == 2
    assert "to change it: platform staff activate the account" in told.stdout


async def test_what_cannot_be_made_or_explained_is_one_clear_line(
    app: Harness, servers: Servers, tmp_path: Path
) -> None:
    slug, person = f"acme-{secrets.token_hex(4)}", await app.make_user()
    assert (await run(servers, tmp_path, "tenant", "create", slug, "--name", "Acme")).returncode == 0
    cases = [
        (("tenant", "create", slug, "--name", "Again"), "a tenant has this id or slug"),
        (("tenant", "create", "No Slug", "--name", "x"), "the slug is"),
        (("tenant", "create", f"{slug}-2", "--name", "x", "--admin", "nobody@example.com"), "no account has"),
        (("explain", "nobody@example.com", "users:read"), "no account nobody@example.com"),
        (("explain", person.email, "users:read"), "member of no tenant"),
        (("explain", person.email, "users:read", "--tenant", "none"), "no tenant none"),
        (("explain", person.email, "users:read", "--tenant", slug), "member not found"),
        (("explain", person.email, "Users"), "is no permission"),
        (("explain", "nobody", "users:read"), "'nobody' is no address and no UUID"),
        (("explain", person.email, "users:read", "--tenant", "x" * 36), f"{'x' * 36!r} is no slug and no UUID"),
        (("tenant", "create", f"{slug}-3", "--name", "x", "--id", "3"), "'3' is no UUID"),
    ]
    for arguments, expected in cases:
        done = await run(servers, tmp_path, *arguments)
        assert done.returncode == 1, arguments
        assert expected in done.stderr, (arguments, done.stderr)
