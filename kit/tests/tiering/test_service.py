"""contracts/kit.md §6, PolicyService: the answers, the copy in memory, and a database that goes away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from identry_kit.apierror import NotFound, ValidationFailed
from identry_kit.tiering import (
    FeaturePolicy,
    MemoryPolicies,
    Missing,
    PlanRegistry,
    PolicyService,
    Unlimited,
    marshal_access,
    marshal_limit,
)
from identry_kit.tiering.service import MAX_POLICIES

Defaults = tuple[FeaturePolicy, ...]


@pytest.fixture
async def service(defaults: Defaults, clock: Any) -> PolicyService:
    return PolicyService(MemoryPolicies(defaults), clock=clock)


@pytest.mark.parametrize(
    ("plan", "allowed"), [("freemium", False), ("pro", True), ("enterprise", True), ("", False), ("PRO", False)]
)
async def test_access(service: PolicyService, plan: str, allowed: bool) -> None:
    assert await service.is_allowed("ai_narration", plan) is allowed


@pytest.mark.parametrize(
    ("plan", "limit", "number"),
    [("freemium", 5, 5), ("pro", 50, 50), ("enterprise", Unlimited(), -1), ("unknown", 5, 5)],
)
async def test_limits(service: PolicyService, plan: str, limit: Unlimited | int, number: int) -> None:
    assert await service.limit("export_limit", plan) == limit
    assert await service.numeric_limit("export_limit", plan) == number


async def test_nothing_by_mistake(service: PolicyService) -> None:
    assert await service.is_allowed("no such feature", "enterprise") is False
    assert await service.is_allowed("export_limit", "enterprise") is False
    assert await service.limit("no such feature", "pro") == Missing("unknown_feature")
    assert await service.limit("ai_narration", "pro") == Missing("not_a_limit")
    assert await service.numeric_limit("no such feature", "enterprise") == 0
    assert await service.numeric_limit("ai_narration", "enterprise") == 0


async def test_zero_is_a_limit_and_not_a_missing_one(defaults: Defaults) -> None:
    service = PolicyService(MemoryPolicies([replace(defaults[1], pro=marshal_limit(0))]))
    assert await service.limit("export_limit", "pro") == 0


async def test_a_row_of_the_wrong_shape_gives_nothing(defaults: Defaults) -> None:
    """As someone with a database console may leave it."""
    both = {"allowed": True, "limit": 9}
    rows = [
        replace(defaults[0], feature="limit_with_access", pro=both, feature_type="numeric_limit"),
        replace(defaults[0], feature="access_with_limit", pro=both),
        replace(defaults[0], feature="odd", pro=both, feature_type="other"),  # type: ignore[arg-type]
        replace(defaults[1], feature="negative", pro={"limit": -5}),
    ]
    service = PolicyService(MemoryPolicies(rows))
    assert [await service.is_allowed(row.feature, "pro") for row in rows] == [False, True, False, False]
    assert [await service.limit(row.feature, "pro") for row in rows] == [
        9,
        Missing("not_a_limit"),
        Missing("not_a_limit"),
        Missing("bad_cell"),
    ]


async def test_plans_of_ones_own_choose_their_cells(defaults: Defaults) -> None:
    registry = PlanRegistry("starter", "growth", "scale")
    cells = {"starter": "freemium", "growth": "pro", "scale": "enterprise"}
    service = PolicyService(
        MemoryPolicies(defaults), registry, selector=lambda policy, plan: getattr(policy, cells[plan])
    )
    assert [await service.numeric_limit("export_limit", plan) for plan in ("pro", "growth", "scale")] == [5, 50, -1]


async def test_a_list_is_good_for_five_minutes(defaults: Defaults, clock: Any) -> None:
    repository = MemoryPolicies(defaults)
    service = PolicyService(repository, clock=clock)
    assert await service.numeric_limit("export_limit", "pro") == 50
    await repository.upsert(replace(defaults[1], pro=marshal_limit(60)))
    clock.advance(299.5)
    assert await service.numeric_limit("export_limit", "pro") == 50
    clock.advance(0.5)
    assert await service.numeric_limit("export_limit", "pro") == 60


async def test_an_update_is_seen_at_once(service: PolicyService) -> None:
    assert not await service.is_allowed("ai_narration", "freemium")
    yes = marshal_access(True)
    stored = await service.update_policy("ai_narration", freemium=yes, pro=yes, enterprise=yes)
    assert stored.freemium == yes
    assert stored.label == "AI Narration"
    assert await service.is_allowed("ai_narration", "freemium")


async def test_an_update_of_nothing_or_with_nonsense_changes_nothing(service: PolicyService) -> None:
    yes, five = marshal_access(True), marshal_limit(5)
    with pytest.raises(NotFound, match="feature policy not found: nope"):
        await service.update_policy("nope", freemium=yes, pro=yes, enterprise=yes)
    with pytest.raises(ValidationFailed) as refused:
        await service.update_policy("export_limit", freemium=five, pro=marshal_limit(-2), enterprise=yes)
    assert refused.value.details is not None
    assert set(refused.value.details) == {"pro", "enterprise"}
    assert await service.numeric_limit("export_limit", "pro") == 50


async def test_seeding_keeps_what_an_administrator_changed(service: PolicyService, defaults: Defaults) -> None:
    one = marshal_limit(1)
    await service.update_policy("export_limit", freemium=one, pro=one, enterprise=one)
    new = replace(defaults[0], feature="new")
    await service.seed_defaults([*defaults, new])
    assert await service.numeric_limit("export_limit", "enterprise") == 1
    assert await service.is_allowed("new", "pro")
    assert [policy.feature for policy in await service.list_policies()] == ["ai_narration", "export_limit", "new"]


async def test_a_default_that_is_wrong_is_not_seeded_nor_its_neighbours(defaults: Defaults) -> None:
    repository = MemoryPolicies()
    with pytest.raises(ValidationFailed):
        await PolicyService(repository).seed_defaults([defaults[0], replace(defaults[1], pro=marshal_access(True))])
    assert list(await repository.list()) == []


class Held(MemoryPolicies):
    """A repository whose answer is under way for as long as the test wants."""

    def __init__(self, policies: Defaults) -> None:
        super().__init__(policies)
        self.read = asyncio.Event()
        self.arrive = asyncio.Event()

    async def list(self) -> Sequence[FeaturePolicy]:
        policies = await super().list()
        self.read.set()
        await self.arrive.wait()
        return policies


async def test_a_load_that_is_older_than_a_write_is_not_kept(defaults: Defaults) -> None:
    repository = Held(defaults)
    service = PolicyService(repository)
    early = asyncio.create_task(service.is_allowed("ai_narration", "freemium"))
    await repository.read.wait()
    yes = marshal_access(True)
    await service.update_policy("ai_narration", freemium=yes, pro=yes, enterprise=yes)
    repository.arrive.set()
    assert await service.is_allowed("ai_narration", "freemium") is True
    assert await early is False, "it asked before the write"
    assert await service.is_allowed("ai_narration", "freemium") is True


async def test_closing_ends_a_load_under_way(defaults: Defaults) -> None:
    repository = Held(defaults)
    service = PolicyService(repository)
    waiting = asyncio.create_task(service.is_allowed("ai_narration", "pro"))
    await repository.read.wait()
    await service.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    repository.arrive.set()
    assert await service.is_allowed("ai_narration", "pro")


async def test_a_list_that_would_fill_the_memory_is_a_failed_load(
    defaults: Defaults, caplog: pytest.LogCaptureFixture
) -> None:
    many = [replace(defaults[0], feature=f"f{number}") for number in range(MAX_POLICIES + 1)]
    assert await PolicyService(MemoryPolicies(many)).is_allowed("f1", "pro") is False
    assert "OverflowError" in caplog.text
    assert await PolicyService(MemoryPolicies(many[:-1])).is_allowed("f1", "pro") is True


def test_threads_with_event_loops_of_their_own_share_the_list(defaults: Defaults) -> None:
    service = PolicyService(MemoryPolicies(defaults), ttl=0)
    wrong: list[str] = []

    async def ask() -> None:
        for turn in range(50):
            if turn % 10 == 9:
                cell = marshal_limit(50)
                await service.update_policy("export_limit", freemium=cell, pro=cell, enterprise=cell)
            answers = await asyncio.gather(*(service.numeric_limit("export_limit", "pro") for _ in range(5)))
            wrong.extend(str(answer) for answer in answers if answer != 50)

    threads = [threading.Thread(target=asyncio.run, args=(ask(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not service._flights
    assert not service._running
