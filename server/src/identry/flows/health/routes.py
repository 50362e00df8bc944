"""GET /health and GET /ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from identry.web.call import Call, Ready
from identry.web.operations import Operation
from identry_kit.apierror import ServiceUnavailable

Check = Callable[[], Awaitable[object]]
_CHECK_TIMEOUT = 2.0


class Health(msgspec.Struct, frozen=True):
    """The process is up."""

    status: str = "ok"


class Readiness(msgspec.Struct, frozen=True):
    """Every dependency answers; one that is not configured says so."""

    status: str
    checks: dict[str, str]


class NotReady(ServiceUnavailable):
    """503: a dependency does not answer, or the process is shutting down; `details.checks` says which."""

    message = "not ready"
    example_details = {"checks": {"postgres": "timeout", "redis": "ok", "finance": "not_configured"}}  # noqa: RUF012 - never written to


def operations(checks: Mapping[str, Check | None], draining: Callable[[], bool]) -> list[Operation]:
    """The room's rows of the operation table.

    Args:
        checks: name → a call that raises when the dependency is down; None: not configured.
        draining: whether the process was asked to stop, so that load balancers look elsewhere.
    """
    alive = Ready(b'{"success":true,"data":%s}' % msgspec.json.encode(Health()), "application/json")

    async def health(_call: Call) -> Ready:
        return alive

    async def ready(_call: Call) -> Readiness:
        if draining():
            raise NotReady(details={"checks": {"process": "shutting down"}}, headers={"Retry-After": "1"})
        results = await asyncio.gather(*(_run(check) for check in checks.values()))
        named = dict(zip(checks, results, strict=True))
        if any(result not in {"ok", "not_configured"} for result in results):
            raise NotReady(details={"checks": named}, headers={"Retry-After": "1"})
        return Readiness("ready", named)

    return [
        Operation("GET", "/health", health, "Is the process up?", tag="Operations", reply=Health, for_all=True),
        Operation(
            "GET",
            "/ready",
            ready,
            "Can this instance serve?",
            tag="Operations",
            reply=Readiness,
            errors=(NotReady,),
            for_all=True,
            description="Asks PostgreSQL, Redis and (if configured) the Finance database, two seconds each at most.",
        ),
    ]


async def _run(check: Check | None) -> str:
    if check is None:
        return "not_configured"
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT):
            await check()
    except TimeoutError:
        return "timeout"
    except Exception as error:  # told in the answer: whatever it is, this instance cannot serve
        return f"failed: {type(error).__name__}"
    return "ok"
