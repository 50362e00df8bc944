"""Gate: what a plan is needed for. It reads the verified caller's plan from `context`; put it after `jwtauth`.

One rule in four shapes: `require` is an ASGI middleware, `dependency` is for FastAPI's `Depends`, `guard` is for
Litestar's `guards`, `check` is for inside a handler. None of them imports a framework.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from identry_kit import context
from identry_kit.apierror import ASGIApp, Forbidden, Receive, Renderer, Scope, Send, answer, to_asgi
from identry_kit.tiering.plans import PlanRegistry, default_registry

DenialBody: TypeAlias = Literal["seed", "v1", "envelope"]
"""How a denial reads: `{"error":"plan_required",…}`, the flat form with plan and message, or the kit's envelope."""


class PlanRequired(Forbidden):
    """403: the caller's plan is below `required_plan`.

    `body()` is the form that the gate was told to speak (contracts/kit.md §6), so the answer is the same whether the
    middleware gives it or an exception handler. `upgradeUrl` is left out when there is none.
    """

    def __init__(self, plan: str, required_plan: str, *, upgrade_url: str = "", form: DenialBody = "seed") -> None:
        self.plan = plan
        self.required_plan = required_plan
        self.upgrade_url = upgrade_url
        self._form = form
        super().__init__(
            f"This feature requires the {required_plan} plan or above",
            code="plan_required" if form == "seed" else "upgrade_required",
            details={"plan": plan, "requiredPlan": required_plan} | self._url(),
        )

    def _url(self) -> dict[str, str]:
        return {"upgradeUrl": self.upgrade_url} if self.upgrade_url else {}

    def body(self) -> dict[str, Any]:
        """The denial as JSON, in the form chosen at construction."""
        if self._form == "envelope":
            return super().body()
        if self._form == "seed":
            return {"error": self.code} | self._url()
        plans = {"plan": self.plan, "requiredPlan": self.required_plan}
        return {"error": self.code, "message": self.message} | plans | self._url()


class Gate:
    """Lets a caller in from a plan upwards; anybody else gets a 403 that says where to upgrade.

    A caller without a known plan has the lowest one. Every denial leaves one warning, `plan gate: upgrade required`,
    with `user_plan` and `required_plan`. `body` chooses the denial's form, `on_error` who writes the middleware's
    answers.
    """

    def __init__(
        self,
        registry: PlanRegistry | None = None,
        *,
        upgrade_url: str = "",
        body: DenialBody = "seed",
        logger: logging.Logger | None = None,
        on_error: Renderer = to_asgi,
    ) -> None:
        if body not in {"seed", "v1", "envelope"}:
            raise ValueError(f"body is 'seed', 'v1' or 'envelope', not {body!r}")
        self.registry = default_registry() if registry is None else registry
        self._upgrade_url = upgrade_url
        self._form = body
        self._logger = logger or logging.getLogger("identry_kit.tiering")
        self._render = on_error

    def check(self, plan: str) -> None:
        """Raise `PlanRequired` (and log it) unless the caller's plan is `plan` or above. ValueError: no such plan."""
        self._check(plan, self._admitted(plan))

    def require(self, plan: str) -> Callable[[ASGIApp], ASGIApp]:
        """A middleware: `gate.require("pro")(app)` answers 403 to callers below `plan`. ValueError: no such plan.

        A WebSocket is closed before it is accepted, which servers turn into a 403.
        """
        admitted = self._admitted(plan)

        def gate(app: ASGIApp) -> ASGIApp:
            async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] != "lifespan":
                    try:
                        self._check(plan, admitted)
                    except PlanRequired as error:
                        await self._refuse(scope, send, error)
                        return
                await app(scope, receive, send)

            return guarded

        return gate

    def dependency(self, plan: str) -> Callable[[], Awaitable[None]]:
        """For FastAPI: `dependencies=[Depends(gate.dependency("pro"))]` of a route, a router or the application.

        It raises `PlanRequired`; `apierror.exception_handlers()` answers it. ValueError: no such plan.
        """
        admitted = self._admitted(plan)

        async def plan_required() -> None:
            self._check(plan, admitted)

        return plan_required

    def guard(self, plan: str) -> Callable[[Any, Any], None]:
        """For Litestar: `guards=[gate.guard("pro")]` of a handler, a controller, a router or the application.

        It raises `PlanRequired`, for the application's exception handlers. ValueError: no such plan.
        """
        admitted = self._admitted(plan)

        def plan_required(connection: Any, route_handler: Any) -> None:  # noqa: ARG001 - Litestar's signature
            self._check(plan, admitted)

        return plan_required

    def _admitted(self, plan: str) -> frozenset[str]:
        admitted = self.registry.at_least(plan)
        if not admitted:
            raise ValueError(f"no such plan: {plan!r} is not one of {self.registry.plans}")
        return admitted

    def _check(self, required: str, admitted: frozenset[str]) -> None:
        plan = self.registry.normalise(context.user_plan())
        if plan in admitted:
            return
        extra = {"user_plan": plan, "required_plan": required, "request_id": context.request_id()}
        self._logger.warning("plan gate: upgrade required", extra=extra)
        raise PlanRequired(plan, required, upgrade_url=self._upgrade_url, form=self._form)

    async def _refuse(self, scope: Scope, send: Send, error: PlanRequired) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": error.code})
        else:
            await answer(send, error, scope, self._render)
