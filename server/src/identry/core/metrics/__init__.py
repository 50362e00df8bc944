"""Figures for Prometheus.

Owns: counting requests (from the request log's own fields, so that the two never disagree), families of samples that
can be added up over worker processes, their text form, the folder in which workers leave them, and the port that
serves them.
Never: reaches into an engine (`flows.metrics` reads those) or onto the public port of a production server.
"""

from identry.core.metrics.families import Family, Kind, Merge, merge, render
from identry.core.metrics.requests import RequestMetrics

__all__ = ["Family", "Kind", "Merge", "RequestMetrics", "merge", "render"]
