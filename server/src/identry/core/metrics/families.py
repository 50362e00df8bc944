"""Families of samples: what a worker knows, as values that can be stored, added up over workers and written out."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Kind(StrEnum):
    """The types of Prometheus that we use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(StrEnum):
    """What the same gauge in several workers means for all of them."""

    SUM = "sum"  # each has its own: connections, threads
    MAX = "max"  # each sees the same thing, or the worst one counts: the outbox, the age of a key


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric with all its label values.

    Attributes:
        name: as Prometheus shows it, with unit; a counter's ends in `_total`.
        kind: of Prometheus.
        about: one line for `# HELP`.
        labels: label names.
        samples: (label values, numbers). One number; a histogram has one per bucket (not cumulative), then the sum.
        bounds: upper bounds of a histogram's buckets but the last, which has none.
        merge: how gauges of several workers become one; counters and histograms are always added.
    """

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...]
    samples: list[tuple[tuple[str, ...], list[float]]]
    bounds: tuple[float, ...] = ()
    merge: Merge = Merge.SUM


Snapshot = list[Family]


def counter(name: str, about: str, value: float) -> Family:
    """A counter without labels."""
    return Family(name, Kind.COUNTER, about, (), [((), [value])])


def gauge(name: str, about: str, value: float | None, merge: Merge = Merge.SUM) -> Family:
    """A gauge without labels; None: there is nothing to tell now."""
    return Family(name, Kind.GAUGE, about, (), [] if value is None else [((), [value])], merge=merge)


def merge(live: Iterable[Snapshot], ended: Iterable[Snapshot] = ()) -> Snapshot:
    """One snapshot for all workers. Of those that have ended only what was counted stays; gauges end with them."""
    families: dict[str, Family] = {}
    gathered: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for snapshot, is_live in [*((s, True) for s in live), *((s, False) for s in ended)]:
        for family in snapshot:
            families.setdefault(family.name, family)
            samples = gathered.setdefault(family.name, {})
            if family.kind is Kind.GAUGE and not is_live:
                continue
            for labels, values in family.samples:
                known = samples.get(labels)
                if known is None or len(known) != len(values):
                    samples[labels] = list(values)
                elif family.kind is Kind.GAUGE and family.merge is Merge.MAX:
                    samples[labels] = [max(a, b) for a, b in zip(known, values, strict=True)]
                else:
                    samples[labels] = [a + b for a, b in zip(known, values, strict=True)]
    return [
        msgspec.structs.replace(family, samples=list(gathered[family.name].items())) for family in families.values()
    ]


def render(snapshot: Snapshot) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Written(snapshot))
    return generate_latest(registry)


class _Written(Collector):
    """A snapshot in prometheus-client's terms."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Called by `generate_latest`."""
        return map(_metric, self._snapshot)


def _metric(family: Family) -> Metric:
    if family.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(family.name, family.about, labels=family.labels)
        for labels, values in family.samples:
            histogram.add_metric(labels, buckets=_cumulative(family.bounds, values), sum_value=values[-1])
        return histogram
    simple = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = simple(family.name, family.about, labels=family.labels)
    for labels, values in family.samples:
        metric.add_metric(labels, values[0])
    return metric


def _cumulative(bounds: tuple[float, ...], values: list[float]) -> list[tuple[str, float]]:
    total, buckets = 0.0, []
    for bound, count in zip([*map(repr, bounds), "+Inf"], values, strict=False):
        total += count
        buckets.append((bound, total))
    return buckets
