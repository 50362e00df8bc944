"""GET /metrics, mounted in development only; in production `METRICS_PORT` serves it apart."""

from __future__ import annotations

from identry.core.metrics.families import CONTENT_TYPE
from identry.flows.metrics.service import Metrics
from identry.web.call import Call
from identry.web.operations import Operation


def operations(metrics: Metrics) -> list[Operation]:
    """The room's rows of the operation table."""

    async def figures(_call: Call) -> bytes:
        return await metrics.text()

    return [
        Operation(
            "GET",
            "/metrics",
            figures,
            "Figures for Prometheus",
            tag="Operations",
            media_type=CONTENT_TYPE,
            enveloped=False,
            hidden=True,
            for_all=True,
        )
    ]
