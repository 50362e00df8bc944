"""contracts/kit.md §6, PolicyService: the answers, the copy in memory, and a database that goes away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from identry_kit.apierror import NotFound, ValidationFailed
from identry_kit.tiering import (
    FeaturePolicy,
    MemoryPolicies,
    Missing,
    PlanRegistry,
    PoliciesUnavailable,
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


@pytest.fixture
async def remote(outage: Any, clock: Any) -> AsyncIterator[PolicyService]:
    """A service on the database that can be cut off."""
    service = PolicyService(outage.policies, clock=clock, load_timeout=60)
    yield service
    await service.aclose()


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
