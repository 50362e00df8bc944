"""`identry apps …`: applications from the command line."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import subprocess
from pathlib import Path
from typing import Any

from harness import Harness, Servers
from services.program import identry

SERVICE = {"grant_type": "client_credentials"}


class Cli:
    """Runs commands against the database of the run."""

    def __init__(self, servers: Servers, cwd: Path) -> None:
        self._env, self._cwd = {"APP_ENV": "development", "DATABASE_URL": servers.postgres_url}, cwd

    async def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(lambda: identry("apps", *arguments, cwd=self._cwd, **self._env))

    async def json(self, *arguments: str) -> Any:
        done = await self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


async def token_status(app: Harness, client_id: str, secret: str) -> int:
    form = {**SERVICE, "client_id": client_id, "client_secret": secret}
    return (await app.http.post("/oauth/token", data=form)).status_code


async def test_an_application_lives_from_create_to_delete(app: Harness, servers: Servers, tmp_path: Path) -> None:
    cli, name = Cli(servers, tmp_path), f"reports-{secrets.token_hex(4)}"
    made = await cli.json(
        "create", "Reports", "--client-id", name, "--redirect-uri", "https://reports.example.com/callback",
        "--redirect-uri", "http://localhost:3000/callback", "--access-ttl", "5m", "--first-party",
        "--claim", "team=department", "--color", "#1A73E8", "--sign-up", "closed", "--members-only",
    )  # fmt: skip
    first = made["client_secret"]
    assert (made["client_id"], made["active"], made["is_public"], made["secrets"]) == (name, True, False, 1)
    assert made["grant_types"] == ["authorization_code", "refresh_token", "client_credentials"]
    assert (made["access_token_ttl"], made["claim_mappings"], made["brand_color"]) == (
        300, {"team": "department"}, "#1a73e8",
    )  # fmt: skip
    assert (made["sign_up"], made["members_only"]) == ("closed", True)
    assert len(first) >= 43
    assert await token_status(app, name, first) == 200
    stored = await app.db.fetchval("SELECT count(*) FROM client_secrets s WHERE s::text LIKE '%' || $1 || '%'", first)
    assert stored == 0

    shown = await cli.json("show", name)
    assert "client_secret" not in shown
    assert shown["redirect_uris"] == ["https://reports.example.com/callback", "http://localhost:3000/callback"]
    assert (await cli.json("show", str(made["id"])))["client_id"] == name
    assert name in (await cli("list", "--search", name)).stdout

    second = (await cli.json("rotate-secret", name))["client_secret"]
    both = await cli.json("show", name)
    assert both["secrets"] == 2
    assert both["previous_secret_expires_at"]
    assert [await token_status(app, name, s) for s in (first, second)] == [200, 200]
    third = (await cli.json("rotate-secret", name, "--at-once"))["client_secret"]
    assert [await token_status(app, name, s) for s in (first, second, third)] == [401, 401, 200]

    changed = await cli.json("update", name, "--name", "Figures", "--redirect-uri", "", "--access-ttl", "0")
    assert (changed["name"], changed["redirect_uris"], changed["access_token_ttl"]) == ("Figures", [], None)
    assert (await cli.json("disable", name))["active"] is False
    assert await token_status(app, name, third) == 401
    assert (await cli.json("update", name, "--enable"))["active"] is True
    assert await token_status(app, name, third) == 200

    refused = await cli("delete", name)
    assert (refused.returncode, "nothing was changed" in refused.stderr) == (1, True)
    assert (await cli("delete", name, "--yes")).returncode == 0
    assert await token_status(app, name, third) == 401
    rows = await app.db.fetch(
        "SELECT event FROM auth_audit_logs WHERE details->>'client' = $1 AND event LIKE 'client.%' ORDER BY id", name
    )
    assert [row[0].removeprefix("client.") for row in rows] == [
        "created", "secret_rotated", "secret_rotated", "updated", "disabled", "enabled", "deleted",
    ]  # fmt: skip


async def test_what_a_person_reads_shows_a_secret_once(servers: Servers, tmp_path: Path) -> None:
    cli, name = Cli(servers, tmp_path), f"spa-{secrets.token_hex(4)}"
    public = await cli("create", "Page", "--client-id", name, "--public")
    assert public.returncode == 0, public.stderr
    assert "secret is shown" not in public.stdout
    assert f"nobody can sign in yet: identry apps update {name} --redirect-uri" in public.stderr
    confidential = await cli("update", name, "--confidential")
    assert "The secret is shown this once" in confidential.stdout
    assert "client secret" in confidential.stdout
    assert re.search(r"^secrets +1$", confidential.stdout, re.MULTILINE)
    assert re.search(r"^created at +[0-9-]{10} [0-9:]{5} UTC$", confidential.stdout, re.MULTILINE)
    again = await cli("update", name, "--public")
    assert "client secret" not in again.stdout
    assert (await cli("rotate-secret", name)).returncode == 1


async def test_what_cannot_be_is_one_clear_line(servers: Servers, tmp_path: Path) -> None:
    cli, name = Cli(servers, tmp_path), f"taken-{secrets.token_hex(4)}"
    private = tmp_path / "jwks.json"
    private.write_text(json.dumps({"keys": [{"kty": "RSA", "n": "x", "e": "AQAB", "d": "secret"}]}))
    assert (await cli("create", "Taken", "--client-id", name)).returncode == 0
    for arguments, expected in (
        (("create", "x", "--client-id", name), "another application has this client_id"),
        (("create", "x", "--client-id", "no spaces"), "--client-id: must be"),
        (("create", " "), "identry: name: must be a text"),
        (("create", "x", "--redirect-uri", "http://reports.example.com/cb"), "https://"),
        (("create", "x", "--redirect-uri", "https://a.example.com/*"), "no wildcards"),
        (("create", "x", "--redirect-uri", "com.example.app:/cb"), "native clients"),
        (("create", "x", "--grant", "password"), "--grant: must be one of"),
        (("create", "x", "--grant", "refresh_token"), "needs a grant that gives one"),
        (("create", "x", "--public", "--grant", "client_credentials"), "no credentials of its own"),
        (("create", "x", "--public", "--no-pkce"), "always uses PKCE"),
        (("create", "x", "--claim", "sub=email"), "is no name for a claim"),
        (("create", "x", "--claim", "team"), "is not claim=attribute"),
        (("create", "x", "--color", "blue"), "--color: must be a colour"),
        (("create", "x", "--logo-url", "javascript:alert(1)"), "--logo-url: must"),
        (("create", "x", "--access-ttl", "1s"), "is not between"),
        (("create", "x", "--jwks-file", str(private)), "holds a private key"),
        (("create", "x", "--token-format", "opaque"), "--token-format: must be one of"),
        (("create", "x", "--sign-up", "maybe"), "--sign-up: must be one of"),
        (("update", name), "nothing to change"),
        (("show", "nobody"), "application not found"),
        (("rotate-secret", "nobody"), "application not found"),
        (("delete", "nobody", "--yes"), "application not found"),
    ):
        done = await cli(*arguments)
        assert done.returncode == 1, arguments
        assert expected in done.stderr, (arguments, done.stderr)
