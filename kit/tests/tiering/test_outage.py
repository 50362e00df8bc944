"""contracts/kit.md §6, PolicyService: one load for everybody; a real PostgreSQL that goes away, hangs, comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from identry_kit.tiering import (
    FeaturePolicy,
    Missing,
    PoliciesUnavailable,
    PolicyService,
    marshal_access,
    marshal_limit,
)

Defaults = tuple[FeaturePolicy, ...]


@pytest.fixture
async def remote(outage: Any, clock: Any) -> AsyncIterator[PolicyService]:
    """A service on the database that can be cut off."""
    service = PolicyService(outage.policies, clock=clock, load_timeout=60)
    yield service
    await service.aclose()


async def test_many_callers_cause_one_load(remote: PolicyService, outage: Any, clock: Any) -> None:
    answers = await asyncio.gather(*(remote.is_allowed("ai_narration", "pro") for _ in range(200)))
    assert all(answers)
    assert outage.loads == 1
    clock.advance(300)
    await asyncio.gather(*(remote.is_allowed("ai_narration", "pro") for _ in range(200)))
    assert outage.loads == 2


async def test_a_caller_that_leaves_does_not_end_the_load(remote: PolicyService, outage: Any) -> None:
    callers = [asyncio.create_task(remote.is_allowed("ai_narration", "pro")) for _ in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    assert await asyncio.gather(*callers[1:]) == [True, True]
    assert outage.loads == 1


async def test_a_stale_list_serves_while_the_database_is_away(
    remote: PolicyService, outage: Any, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert await remote.is_allowed("ai_narration", "pro")
    await outage.cut()
    clock.advance(300)
    before = outage.loads
    assert await remote.is_allowed("ai_narration", "pro")
    assert outage.loads == before + 1
    clock.advance(4.5)
    assert await remote.is_allowed("ai_narration", "pro")
    assert outage.loads == before + 1, "a pause of five seconds between tries"
    clock.advance(0.5)
    assert await remote.is_allowed("ai_narration", "pro")
    assert not await remote.refresh(), "the try is under way, and this joins it"
    assert outage.loads == before + 2
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in errors] == [
        "failed to refresh feature policies (FileNotFoundError)",
        "failed to refresh feature policies (FileNotFoundError)",
    ]
    assert all(record.stale for record in errors)  # type: ignore[attr-defined]


async def test_the_list_is_current_again_when_the_database_is_back(
    remote: PolicyService, outage: Any, pg_policies: Any, defaults: Defaults, clock: Any
) -> None:
    await remote.refresh()
    await outage.cut()
    clock.advance(300)
    assert await remote.numeric_limit("export_limit", "pro") == 50
    await pg_policies.upsert(replace(defaults[1], pro=marshal_limit(70)))
    await outage.mend()
    clock.advance(5)
    assert await remote.numeric_limit("export_limit", "pro") == 50, "nobody waits for a try after a failed one"
    assert await remote.refresh()
    assert await remote.numeric_limit("export_limit", "pro") == 70


async def test_without_a_list_each_call_tries_and_denies(remote: PolicyService, outage: Any) -> None:
    await outage.cut()
    assert await remote.is_allowed("ai_narration", "pro") is False
    assert await remote.limit("export_limit", "pro") == Missing("unavailable")
    assert await remote.numeric_limit("export_limit", "enterprise") == 0
    with pytest.raises(PoliciesUnavailable) as unavailable:
        await remote.list_policies()
    assert unavailable.value.status == 503
    await outage.mend()
    assert await remote.is_allowed("ai_narration", "pro") is True


async def test_after_a_write_there_is_no_stale_list(remote: PolicyService, outage: Any) -> None:
    yes = marshal_access(True)
    await remote.update_policy("ai_narration", freemium=yes, pro=yes, enterprise=yes)
    await outage.cut()
    assert await remote.is_allowed("ai_narration", "freemium") is False
    await outage.mend()
    assert await remote.is_allowed("ai_narration", "freemium") is True


async def test_a_write_that_failed_keeps_the_list_and_asks_again(
    remote: PolicyService, outage: Any, defaults: Defaults
) -> None:
    assert await remote.is_allowed("ai_narration", "pro")
    await outage.cut()
    with pytest.raises(OSError, match="No such file"):
        await remote.seed_defaults(defaults)
    before = outage.loads
    assert await remote.is_allowed("ai_narration", "pro")
    assert outage.loads == before + 1


async def test_a_database_that_says_nothing_holds_up_one_try_only(outage: Any, clock: Any) -> None:
    service = PolicyService(outage.policies, clock=clock, load_timeout=60)
    assert await service.refresh()
    await outage.hang()
    service._load_timeout = 0.05
    clock.advance(300)
    assert await service.is_allowed("ai_narration", "pro"), "after the time-out, from the stale list"
    clock.advance(5)
    unsuspended = service.is_allowed("ai_narration", "pro")
    with pytest.raises(StopIteration) as done:
        unsuspended.send(None)
    assert done.value.value is True
    await service.aclose()
    assert await PolicyService(outage.policies, load_timeout=0.05).is_allowed("ai_narration", "pro") is False
