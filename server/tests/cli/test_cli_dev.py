"""`identry dev`: from nothing to a login in one command; whatever happens to it, the next start works."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pty
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2
import pytest
from services.ports import free_port
from services.preloaded import preloaded
from services.program import PROGRAM, all_gone, children, dev, environment, identry, started, wait_for


def paste(command: str) -> dict[str, Any]:
    """Run the card's curl command: with curl when there is one, else as curl would."""
    if shutil.which("curl"):
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)
    _, _, url, _, header, _, body = shlex.split(command)
    name, _, value = header.partition(": ")
    return httpx2.post(url, headers={name: value}, content=body).json()


def token_header(token: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))


def test_the_card_leads_to_a_token_and_every_page_it_names(home: Path) -> None:
    with dev(home) as (running, card):
        reply = paste(card["curl"])
        assert reply["success"] is True, reply
        bearer = {"Authorization": f"Bearer {reply['data']['accessToken']}"}
        me = httpx2.get(f"{card['base_url']}/auth/me", headers=bearer).json()["data"]
        assert (me["email"], me["globalRole"]) == (card["admin_email"], "PLATFORM_SUPERADMIN")
        for page in ("docs_url", "mailbox_url", "health_url", "jwks_url"):
            assert httpx2.get(card[page]).status_code == 200, page
        assert card["curl"] in running.output
        assert "\x1b" not in running.output  # no terminal, no escape codes
        assert (home / "card.json").stat().st_mode & 0o777 == 0o600
        for command in (["keys", "list"], ["create-admin", "--email", "grace@example.com"], ["doctor"]):
            done = identry(*command, cwd=home)
            assert done.returncode == 0, "commands beside it work on its database without being told"
            assert "grace@example.com" in done.stdout or command[0] != "create-admin"
        done = identry("finance-migrate", cwd=home)
        assert "has 1 problem" in done.stderr, "of two databases only Finance's has to be named"
        assert "FINANCE_DATABASE_URL is required" in done.stderr


def test_it_listens_on_loopback_only(home: Path) -> None:
    with dev(home) as (_, card):
        assert card["base_url"].startswith("http://127.0.0.1:")
        listening = Path("/proc/net/tcp").read_text()
        port = f"{int(card['base_url'].rpartition(':')[2]):04X}"
        assert re.search(rf" 0100007F:{port} 00000000:0000 0A", listening)


def test_what_it_keeps_is_readable_for_its_owner_only(seasoned: Path) -> None:
    kept = [path for path in (seasoned / ".identry").iterdir() if path.is_file()]
    assert {path.name for path in kept} == {"signing-key.pem", "secret-key", "internal-api-key", "administrator.json"}
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_everything_it_started_with_exit_code_0(home: Path, number: signal.Signals) -> None:
    with dev(home) as (running, _):
        started_by_it = children(running.process.pid)
        assert started_by_it
        assert running.end(number) == 0
        assert all_gone(started_by_it)


def test_after_sigkill_the_next_start_finds_its_data_its_login_and_its_keys(home: Path) -> None:
    with dev(home) as (running, card):
        before = paste(card["curl"])["data"]
        left = children(running.process.pid)
        running.process.kill()
        running.process.wait()
    with dev(home) as (_, again):
        assert all_gone(left)
        assert again["admin_password"] == card["admin_password"]
        bearer = {"Authorization": f"Bearer {before['accessToken']}"}
        assert httpx2.get(f"{again['base_url']}/auth/me", headers=bearer).status_code == 200
        assert token_header(paste(again["curl"])["data"]["accessToken"]) == token_header(before["accessToken"])


def test_a_second_start_on_the_same_data_says_who_runs(home: Path) -> None:
    with dev(home) as (running, _):
        second = identry("dev", "--port", "0", cwd=home)
        assert second.returncode == 1
        assert f"already running (pid {running.process.pid})" in second.stderr
        assert second.stderr.count("\n") == 1


def test_a_taken_port_is_one_line_that_names_the_holder(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = identry("dev", "--port", str(port), cwd=home)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"identry: port {port} is taken by ")
    assert f"(pid {os.getpid()})" in refused.stderr
    assert f"--port {port + 1}" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (home / ".identry" / "postgres" / "data" / "postmaster.pid").exists()


def test_reset_forgets_the_data_the_keys_and_the_login(home: Path) -> None:
    kept = (home / ".identry" / "signing-key.pem").read_text()
    login = json.loads((home / ".identry" / "administrator.json").read_text())
    with dev(home, "--reset") as (_, card):
        assert card["admin_password"] != login["password"]
        assert (home / ".identry" / "signing-key.pem").read_text() != kept
        assert paste(card["curl"])["success"] is True


def test_a_named_administrator_replaces_the_generated_one(tmp_path: Path) -> None:
    named = {"BOOTSTRAP_ADMIN_EMAIL": "Ada@Example.com", "BOOTSTRAP_ADMIN_PASSWORD": "it's a long one"}
    with dev(tmp_path, **named) as (_, card):
        assert (card["admin_email"], card["admin_password"]) == ("ada@example.com", "it's a long one")
        assert paste(card["curl"])["success"] is True


def test_a_changed_password_is_not_shown_as_if_it_worked(home: Path) -> None:
    login = home / ".identry" / "administrator.json"
    login.write_text(login.read_text().replace('"password":"', '"password":"not-'))
    with dev(home) as (running, card):
        assert card["admin_password"] == ""
        assert "(the one you chose)" in running.output


def test_a_dot_env_file_is_read_and_never_executed(home: Path) -> None:
    port = free_port()
    (home / ".env").write_text(f"PORT={port}\nEMAIL_APP_NAME=$(touch pwned)\n")
    with started("dev", cwd=home) as running:
        wait_for(running, lambda: f"http://127.0.0.1:{port}/health" in running.output)
        assert httpx2.get(f"http://127.0.0.1:{port}/health").status_code == 200
    assert not (home / "pwned").exists()


def test_every_wrong_variable_is_listed_at_once(home: Path) -> None:
    wrong = {"ACCESS_TOKEN_TTL": "soon", "EMAIL_ENABLED": "on", "TRUSTED_PROXY_CIDRS": "10.0.0.1/8"}
    refused = identry("dev", "--port", "0", cwd=home, **wrong)
    assert refused.returncode == 1
    for name in wrong:
        assert re.search(rf"^  {name} ", refused.stderr, re.MULTILINE)
    assert "Traceback" not in refused.stderr


def test_a_weak_password_for_the_administrator_is_refused(tmp_path: Path) -> None:
    named = {"BOOTSTRAP_ADMIN_EMAIL": "ada@example.com", "BOOTSTRAP_ADMIN_PASSWORD": "password123"}
    refused = identry("dev", "--port", "0", cwd=tmp_path, **named)
    assert refused.returncode == 1
    assert "identry: the password " in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(("columns", "framed"), [(100, True), (40, False)])
@pytest.mark.parametrize("colour", [True, False])
def test_on_a_terminal_the_card_fits_and_the_command_is_not_broken(
    home: Path, columns: int, framed: bool, colour: bool
) -> None:
    parent, child = pty.openpty()
    variables = {"TERM": "xterm", "COLUMNS": str(columns), **({} if colour else {"NO_COLOR": "1"})}
    process = preloaded.start(
        ["dev", "--port", str(free_port())], cwd=home, env=environment(**variables), files=(child, child, child)
    )
    os.close(child)
    text = ""
    try:
        while "Ctrl-C stops everything" not in text:
            text += os.read(parent, 65536).decode(errors="replace")
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):
            while os.read(parent, 65536):
                pass
        assert process.wait(60) == 0
        os.close(parent)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n")
    assert re.search(r"^curl -s http://127\.0\.0\.1:\d+/auth/login -H '.*' -d '\{.*\}'$", plain, re.MULTILINE)
    assert ("╭" in plain) is framed
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]m", text)) is (colour and framed)
    if framed:
        assert all(len(line) <= columns for line in plain.splitlines() if "│" in line)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
def test_an_ordinary_user_runs_it_too() -> None:
    nobody = pwd.getpwnam("nobody")
    prefix = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    python = next((p for p in (sys.executable, "/usr/bin/python3") if _can_run(prefix, p)), None)
    if python is None:
        pytest.skip("no interpreter of this version that an unprivileged user may run")
    folder = Path(tempfile.mkdtemp(prefix="dev-", dir="/tmp"))
    try:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        with started(
            "dev", "--port", str(port := free_port()), cwd=folder, prefix=prefix, program=[python, *PROGRAM[1:]],
            PYTHONPATH=os.pathsep.join(sys.path[1:]), PYTHONDONTWRITEBYTECODE="1",
        ) as running:  # fmt: skip
            wait_for(running, lambda: "Ctrl-C stops everything" in running.output)
            assert httpx2.get(f"http://127.0.0.1:{port}/health").status_code == 200
            assert (folder / ".identry" / "postgres" / "data").stat().st_uid == nobody.pw_uid
            assert running.end() == 0
    finally:
        shutil.rmtree(folder)


def _can_run(prefix: tuple[str, ...], python: str) -> bool:
    """Whether the user of `prefix` may run an interpreter that fits our compiled packages."""
    reach = [*prefix, "test", "-x", str(Path(python).resolve())]
    version = [*prefix, python, "-c", f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"]
    return all(subprocess.run(check, check=False, capture_output=True).returncode == 0 for check in (reach, version))
