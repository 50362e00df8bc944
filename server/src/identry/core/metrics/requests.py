"""What the request log tells, counted: durations by route, sign-ins and refreshes by outcome."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from identry.core.metrics.families import Family, Kind, Snapshot

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. Reads answer in 1-5 ms, a sign-in takes one password hash (50-200 ms), nothing may take 30 s."""

UNMATCHED = "unmatched"
"""The route of a path that nothing serves: one series, whatever a scanner asks for."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_Key = tuple[str, str | None, int]


class RequestMetrics:
    """Counters of one process. `observe` is on every request's path: two look-ups, one addition, no lock.

    Lock-free because it is called on the event loop alone.
    """

    def __init__(self) -> None:
        self._series: dict[_Key, list[float]] = {}
        self._sign_ins: dict[str, int] = {}
        self._refreshes: dict[str, int] = {}

    def observe(self, fields: Mapping[str, Any]) -> None:
        """Count one request from the fields of its log line.

        Reads `method`, `route`, `status`, `duration_ms`, and, where a flow noted them (`context.annotate`),
        `sign_in` and `refresh`: the outcome of a sign-in or a rotation.
        """
        get = fields.get
        key = (fields["method"], get("route"), fields["status"])
        series = self._series.get(key)
        if series is None:
            series = self._open(key)
        seconds = fields["duration_ms"] / 1000
        series[bisect_left(BOUNDS, seconds)] += 1
        series[-1] += seconds
        if (outcome := get("sign_in")) is not None:
            self._sign_ins[outcome] = self._sign_ins.get(outcome, 0) + 1
        elif (outcome := get("refresh")) is not None:
            self._refreshes[outcome] = self._refreshes.get(outcome, 0) + 1

    def families(self) -> Snapshot:
        """The families so far."""
        by_class: dict[tuple[str, ...], list[float]] = {}
        for (method, route, status), values in self._series.items():
            labels = (method, route or UNMATCHED, f"{status // 100}xx")
            known = by_class.get(labels)
            by_class[labels] = [a + b for a, b in zip(known, values, strict=True)] if known else list(values)
        return [
            Family(
                "identry_http_request_duration_seconds",
                Kind.HISTOGRAM,
                "Time from the request to the end of its answer.",
                ("method", "route", "status"),
                list(by_class.items()),
                BOUNDS,
            ),
            _by_outcome(
                "identry_sign_ins_total",
                "Sign-ins by outcome: succeeded, failed, mfa_required, blocked, rate_limited, unavailable.",
                self._sign_ins,
            ),
            _by_outcome(
                "identry_refreshes_total",
                "Refreshes by outcome: rotated, replayed (an honest retry), reuse (the session was ended), refused.",
                self._refreshes,
            ),
        ]

    def _open(self, key: _Key) -> list[float]:
        """A new series. A path that nothing serves brings no label of its own, so strangers cannot grow the table."""
        method, route, status = key
        if route is None:
            key = (method if method in _METHODS else "OTHER", None, status)
        return self._series.setdefault(key, [0] * (len(BOUNDS) + 1) + [0.0])


def _by_outcome(name: str, about: str, counts: dict[str, int]) -> Family:
    return Family(name, Kind.COUNTER, about, ("outcome",), [((outcome,), [n]) for outcome, n in counts.items()])
