"""contracts/kit.md §2: safe getters, one record per request, isolation between tasks."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

import pytest
from rows import every

from identry_kit import context
from identry_kit.context import Caller

TENANT = UUID("019f0000-0000-7000-8000-000000000001")

ABSENT = [
    (context.tenant_id, None),
    (context.tenant_id_str, ""),
    (context.user_id, None),
    (context.user_sub, ""),
    (context.user_role, ""),
    (context.user_email, ""),
    (context.user_name, ""),
    (context.user_plan, "freemium"),
    (context.request_id, ""),
    (context.app_roles, {}),
    (context.token_version, 0),
    (context.raw_jwt, ""),
    (context.auth_time, 0),
    (context.amr, ()),
    (context.audiences, ()),
    (context.is_service, False),
    (context.service_app, ""),
    (context.logger, logging.getLogger()),
    (context.caller, context.ANONYMOUS),
]


@every(("getter", "absent"), ABSENT, ids=lambda value: getattr(value, "__name__", ""))
def test_every_getter_is_safe_without_a_request(getter, absent) -> None:
    assert context.current() is None
    assert getter() == absent


def test_a_used_caller_is_what_the_getters_read() -> None:
    caller = Caller(
        tenant_id=TENANT,
        user_id=TENANT,
        sub="app:7",
        role="admin",
        plan="pro",
        app_roles={"web": "owner"},
        raw_token="t",
    )
    with context.use(caller, request_id="r1"):
        assert context.tenant_id() == TENANT
        assert context.tenant_id_str() == str(TENANT)
        assert context.user_plan() == "pro"
        assert context.app_role("web") == "owner"
        assert context.app_role("other") == ""
        assert context.is_service()
        assert context.service_app() == "7"
        assert context.request_id() == "r1"
        assert context.raw_jwt() == "t"
    assert context.current() is None


def test_an_empty_plan_is_freemium() -> None:
    with context.use(Caller(plan="")):
        assert context.user_plan() == "freemium"


def test_an_inner_use_takes_over_what_it_does_not_replace_and_the_outer_one_comes_back() -> None:
    with context.use(Caller(sub="outer"), request_id="r1"):
        with context.use(Caller(sub="inner")):
            assert (context.user_sub(), context.request_id()) == ("inner", "r1")
        assert context.user_sub() == "outer"


def test_leaving_by_an_error_brings_the_old_record_back() -> None:
    with pytest.raises(LookupError), context.use(Caller(sub="a")):
        raise LookupError
    assert context.current() is None


async def test_tasks_do_not_see_each_other() -> None:
    barrier = asyncio.Barrier(50)

    async def one(number: int) -> str:
        with context.use(Caller(sub=str(number)), request_id=f"r{number}"):
            await barrier.wait()
            context.annotate(number=number)
            await asyncio.sleep(0)
            record = context.current()
            assert record is not None
            assert record.fields == {"number": number}
            return context.user_sub() + context.request_id()

    assert await asyncio.gather(*(one(n) for n in range(50))) == [f"{n}r{n}" for n in range(50)]


async def test_a_task_started_inside_sees_the_record_and_may_replace_it_for_itself() -> None:
    async def child() -> str:
        seen = context.user_sub()
        with context.use(Caller(sub="child")):
            await asyncio.sleep(0)
            return seen + context.user_sub()

    with context.use(Caller(sub="parent")):
        assert await asyncio.create_task(child()) == "parentchild"
        assert context.user_sub() == "parent"


def test_a_caller_never_shows_its_token() -> None:
    assert "s3cret" not in repr(Caller(raw_token="s3cret"))


def test_annotations_without_a_request_are_ignored() -> None:
    context.annotate(anything=1)
    assert context.current() is None


def test_the_request_logger_carries_id_method_and_path(caplog: pytest.LogCaptureFixture) -> None:
    record = context.Request("r1", method="GET", path="/x")
    record.logger = logging.getLogger("test.context")
    token = context.begin(record)
    try:
        with caplog.at_level(logging.INFO, "test.context"):
            context.logger().info("hello")
    finally:
        context.end(token)
    line = caplog.records[-1]
    assert (line.request_id, line.method, line.path) == ("r1", "GET", "/x")  # type: ignore[attr-defined]
