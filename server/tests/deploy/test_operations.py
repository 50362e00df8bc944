"""`docs/operations.md` and the alerting rules are true: every name in them is one that the server has."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest
import yaml
from harness import Servers, running
from services.program import identry

from identry.settings.model import Settings
from identry.settings.variables import variables_of

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/operations.md").read_text()
RULES = yaml.safe_load((ROOT / "deploy/prometheus/identry-rules.yaml").read_text())["groups"][0]["rules"]
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, flags=re.DOTALL)
SOURCE = "".join(path.read_text() for path in (ROOT / "server/src/identry").rglob("*.py"))
SOURCE += "".join(path.read_text() for path in (ROOT / "kit/src").rglob("*.py"))


def metric_names(text: str) -> set[str]:
    return {re.sub(r"_(count|bucket|sum)$", "", name) for name in re.findall(r"\bidentry_[a-z_]+[a-z]\b", text)}


async def test_metrics_are_the_server_s_and_all_of_them_are_explained(servers: Servers) -> None:
    async with running(servers) as app:
        person = await app.signed_in()
        await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
        text = (await app.http.get("/metrics")).text
    served = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    rules = metric_names("".join(rule["expr"] for rule in RULES))
    assert rules <= served
    assert metric_names(TEXT) == served


def test_every_variable_is_one_of_ours_or_opentelemetry_s() -> None:
    known = {variable.name for _, variable in variables_of(Settings)}
    named = {name for code in CODE for name in re.findall(r"^([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)(?:=.*)?$", code)}
    assert {name for name in named if not name.startswith("OTEL_")} <= known


def test_every_alert_is_explained_and_every_explained_one_exists() -> None:
    assert re.findall(r"^\| (Identry\w+) \|", TEXT, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_every_log_line_and_doctor_message_is_in_the_code() -> None:
    events = {code for code in CODE if re.fullmatch(r"(?:partitions|kv|mail|limits|janitor|internal_key)\.\w+", code)}
    assert len(events) >= 8
    trouble = TEXT.partition("## Trouble")[2]
    said = [
        code
        for row in re.findall(r"^\|[^|]+\|([^|]+)\|", trouble, re.MULTILINE)
        for code in re.findall(r"`([^`]+)`", row)
    ]
    assert len(said) >= 15
    flat = re.sub(r"\s+", " ", SOURCE)
    for message in [*events, *said]:
        for part in re.split(
            r"\bN\b|…\??| in public | at version|: (?=is |are )| → |^identry doctor$|\bSES_\* and SMTP_URL\b", message
        ):
            assert part.strip() in flat, (message, part)


def commands() -> list[str]:
    """`serve`, `keys rotate`, `migrate up` … as the page names them."""
    text = "\n".join([*CODE, *(block for kind, block in BLOCKS if kind == "sh")])
    return sorted(
        {
            found.strip()
            for found in re.findall(
                r"(?:^|--rm --env-file .env )identry ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", text, re.MULTILINE
            )
        }
    )


@pytest.mark.parametrize("words", commands())
def test_every_command_exists(words: str, tmp_path: Path) -> None:
    if words == "serve":  # it takes no options, not even this one
        return
    done = identry(*words.split(), "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


async def test_the_statements_for_a_restored_database_run(servers: Servers) -> None:
    statements = [block for kind, block in BLOCKS if kind == "sql" and "BEGIN" in block]
    assert len(statements) == 1
    connection = await asyncpg.connect(servers.postgres_url)
    await connection.execute(statements[0].replace("COMMIT", "ROLLBACK"))
    for code in CODE:
        if code.startswith("SELECT "):
            await connection.execute(code.replace(" > …", " > now()").replace("= …", "= gen_random_uuid()"))
    await connection.close()


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    }
    anchors = re.findall(r"\]\(#([^)]+)\)", TEXT)
    assert len(anchors) > 10
    for anchor in anchors:
        assert anchor in headings, anchor
    for name in re.findall(r"\]\(([^)#]+\.md)\)", TEXT):
        assert (ROOT / "docs" / name).exists()
    for name in re.findall(r"`((?:deploy|docs)/[\w./-]+)`", TEXT):
        assert (ROOT / name).exists(), name
