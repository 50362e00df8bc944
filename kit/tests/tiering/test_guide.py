"""docs/kit/tiering.md is run as it stands, its database replaced by the one at hand."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from identry_kit import context

GUIDE = Path(__file__).parents[3] / "docs" / "kit" / "tiering.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def run(number: int) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(BLOCKS[number], str(GUIDE), "exec"), names)
    return names


def test_every_block_is_run_below() -> None:
    assert len(BLOCKS) == 5


def test_the_order_of_plans() -> None:
    run(0)


@pytest.mark.parametrize("app", ["starlette_app", "fastapi_app", "litestar_app"])
async def test_the_gate(call: Any, app: str) -> None:
    names = run(1)
    with context.use(context.Caller(plan="freemium")):
        denied = await call(names[app], "/ai/narrate")
    assert (denied.status, denied.body) == (403, b'{"error":"plan_required","upgradeUrl":"/settings/billing"}')
    with context.use(context.Caller(plan="pro")):
        assert (await call(names[app], "/ai/narrate")).status == 200


async def test_the_policies(postgres_url: str, pg_policies: Any) -> None:
    block = BLOCKS[2].replace("postgresql+asyncpg://localhost/orders", postgres_url)
    await asyncio.to_thread(exec, compile(block, str(GUIDE), "exec"), {})
    changed = await pg_policies.get_by_feature("export_limit")
    assert (changed.freemium, changed.pro) == ({"limit": 0}, {"limit": 100})


async def test_the_table() -> None:
    names = run(3)
    assert list(names["metadata"].tables) == ["billing.feature_policies"]


async def test_plans_of_ones_own() -> None:
    assert await run(4)["policies"].numeric_limit("export_limit", "growth") == 0
