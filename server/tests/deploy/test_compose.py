"""The compose files: what they add up to, and what the run script makes of its words."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from identry.settings import load
from identry.settings.model import Settings
from identry.settings.variables import variables_of

ROOT = Path(__file__).parents[3]
FILES = ["compose.yaml", "compose.dev.yaml", "compose.local-deps.yaml"]


def read(name: str) -> dict[str, Any]:
    content = yaml.safe_load((ROOT / name).read_text())
    assert isinstance(content, dict)
    return content


def test_the_base_file_starts_the_server_alone_and_shows_it_to_this_host_only() -> None:
    services = read("compose.yaml")["services"]
    assert list(services) == ["auth"]
    assert services["auth"]["ports"] == [
        "${PUBLISH:-127.0.0.1}:${PUBLISH_PORT:-3097}:3097",
        "127.0.0.1:${PUBLISH_ADMIN_PORT:-8081}:8081",
    ]
    assert services["auth"]["env_file"] == [{"path": ".env", "required": False}]


def test_the_server_gets_no_privilege() -> None:
    auth = read("compose.yaml")["services"]["auth"]
    assert auth["read_only"] is True
    assert auth["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in auth["security_opt"]


def test_it_is_given_longer_to_stop_than_it_takes() -> None:
    grace = read("compose.yaml")["services"]["auth"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > load({}).shutdown_grace.total_seconds()


def test_databases_are_not_published_and_awaited_healthy() -> None:
    services = read("compose.local-deps.yaml")["services"]
    for name in ("postgres", "valkey"):
        assert "ports" not in services[name]
        assert services[name]["healthcheck"]["test"][0] == "CMD"
        assert services["auth"]["depends_on"][name] == {"condition": "service_healthy"}
    assert services["postgres"]["image"] == "postgres:18"
    assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]  # where PostgreSQL 18 keeps its data


def test_addresses_of_env_win_over_the_bundled_ones() -> None:
    environment = read("compose.local-deps.yaml")["services"]["auth"]["environment"]
    assert environment["DATABASE_URL"].startswith("${DATABASE_URL:-postgresql://")
    assert environment["REDIS_URL"].startswith("${REDIS_URL:-redis://")


def test_only_the_overlay_is_for_development() -> None:
    assert "APP_ENV" not in read("compose.yaml")["services"]["auth"]["environment"]
    assert read("compose.dev.yaml")["services"]["auth"]["environment"]["APP_ENV"] == "development"


@pytest.mark.parametrize("name", FILES)
def test_every_variable_is_one_that_the_server_reads(name: str) -> None:
    known = {variable.name for _, variable in variables_of(Settings)}
    assert set(read(name)["services"]["auth"].get("environment", {})) <= known


@pytest.fixture
def docker(tmp_path: Path) -> dict[str, str]:
    """An environment in which `docker` writes down how it was called."""
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\nprintf "%s " "$@" >> {tmp_path}/calls\necho >> {tmp_path}/calls\n')
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.defpath}"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "-f compose.yaml up --build"),
        (["local"], "-f compose.yaml -f compose.local-deps.yaml up --build"),
        (["dev"], "-f compose.yaml -f compose.dev.yaml up --build"),
        (["local", "dev"], "-f compose.yaml -f compose.local-deps.yaml -f compose.dev.yaml up --build"),
        (["local", "down", "--volumes"], "-f compose.yaml -f compose.local-deps.yaml down --volumes"),
    ],
)
def test_the_run_script(words: list[str], expected: str, docker: dict[str, str], tmp_path: Path) -> None:
    script = str(ROOT / "run-docker-compose.sh")
    subprocess.run([script, *words], env=docker, cwd=tmp_path, check=True)
    assert (tmp_path / "calls").read_text().splitlines()[-1].strip() == f"compose {expected}"


def test_the_run_script_says_what_it_needs(tmp_path: Path) -> None:
    script = str(ROOT / "run-docker-compose.sh")
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    done = subprocess.run(
        [script], env={"PATH": f"{tmp_path}:{os.defpath}"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 127
    assert "Compose" in done.stderr
    helped = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    assert "./run-docker-compose.sh local dev" in helped
    assert "#" not in helped


def compose() -> list[str] | None:
    """The words that call Docker Compose here: as its own program, or as docker's plugin."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    found = (
        shutil.which("docker")
        and not subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    )
    return ["docker", "compose"] if found else None


@pytest.mark.parametrize("overlays", [[], FILES[1:2], FILES[2:], FILES[1:]])
def test_docker_compose_accepts_them(overlays: list[str], tmp_path: Path) -> None:
    command = compose()
    if command is None:
        pytest.skip("Docker Compose is not installed")
    for name in [*FILES, "Dockerfile"]:
        shutil.copy(ROOT / name, tmp_path)
    pem = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"
    (tmp_path / ".env").write_text(f'DATABASE_URL=postgresql://u:p@db/auth\nJWT_SIGNING_KEY_PEM="{pem}"\n')
    chosen = [word for name in ["compose.yaml", *overlays] for word in ("-f", name)]
    done = subprocess.run([*command, *chosen, "config"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    auth = yaml.safe_load(done.stdout)["services"]["auth"]
    assert auth["environment"]["DATABASE_URL"] == "postgresql://u:p@db/auth"
    assert auth["environment"]["JWT_SIGNING_KEY_PEM"] == pem
    if "compose.local-deps.yaml" in overlays:
        assert auth["environment"]["REDIS_URL"] == "redis://valkey:6379/0"
