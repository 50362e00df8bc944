"""The guides about AI, and their part of the README, run as they stand, against a server that speaks the protocol."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


def blocks(page: str, heading: str = "") -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0] if heading else text
    return re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


async def run(code: str, names: dict[str, Any]) -> None:
    """`code` with `await` at its top level, as in a notebook."""
    done = eval(compile(code, "guide", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True), names)
    if inspect.isawaitable(done):
        await done


async def test_the_guide_to_the_gateway_is_true(
    provider: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-guide")
    names: dict[str, Any] = {"server_url": provider.url}
    first, failing, prose, testing = blocks("docs/kit/aigateway.md")
    await run(first.replace("AIConfig(\n", f'AIConfig(base_url="{provider.url}",\n', 1), names)
    assert (names["text"], names["short"]) == ("hello", "hello")
    assert [seen.body["max_tokens"] for seen in provider.seen] == [2000, 50]
    for status, text in ((429, "Too many at once; try again in 7 seconds."), (500, "No summary today.")):
        provider.status, provider.headers = status, {"retry-after": "7"}
        await run(failing, names)
        assert names["text"] == text
    # The application of other tests, which runs in this process, may log at any moment.
    assert capsys.readouterr().out.splitlines().count("ai_unavailable 500") == 1
    await names["ai"].aclose()
    await run(prose, names)
    provider.status, provider.text = 200, "what your server answers"
    await run(testing, names)


async def test_the_guide_to_narration_is_true(provider: Any, gateways: Any, tmp_path: Path) -> None:
    names: dict[str, Any] = {"ai": gateways(provider, "claude")}
    memory, copy, table = blocks("docs/kit/narration.md")
    await run(memory, names)
    await run(copy, names)
    assert len(provider.seen) == 1
    database = f"sqlite+aiosqlite:///{tmp_path / 'orders.db'}"
    await run(table.replace("postgresql+asyncpg://orders@db/orders", database), names)
    assert len(provider.seen) == 2


async def test_the_readmes_lines_about_ai_are_true(provider: Any) -> None:
    provider.text = 'Here: {"title": "Order 7"}'
    names: dict[str, Any] = {"api_key": "sk-readme"}
    (code,) = blocks("kit/README.md", "Asking an AI")
    await run(code.replace("AIConfig(provider", f'AIConfig(base_url="{provider.url}", provider'), names)
    for _ in range(2):
        assert await names["summary"]("tenant", "viewer", {"id": 7}) == {"title": "Order 7"}
    assert len(provider.seen) == 1
    await names["ai"].aclose()
