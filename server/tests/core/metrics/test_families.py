"""Figures: counted from log lines, added up over workers, written for Prometheus and read back by its own parser."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rows import every

from identry.core.metrics import Family, Kind, Merge, RequestMetrics, merge, render
from identry.core.metrics.board import Board
from identry.core.metrics.families import counter, gauge
from identry.core.metrics.port import MetricsPort
from identry.core.metrics.requests import BOUNDS


def line(**fields: Any) -> dict[str, Any]:
    return {"method": "GET", "route": "/health", "status": 200, "duration_ms": 0.4, "path": "/health", **fields}


def read(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Sample name and labels → value, as Prometheus understands them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(text: bytes, name: str, **labels: str) -> float | None:
    return read(text).get((name, tuple(sorted(labels.items()))))


def test_a_request_is_counted_under_its_template_method_and_class_of_status() -> None:
    requests = RequestMetrics()
    for status in (200, 201, 404):
        requests.observe(line(status=status, route="/internal/users/{id:uuid}", path="/internal/users/abc"))
    text = render(requests.families())
    labels = {"method": "GET", "route": "/internal/users/{id:uuid}"}
    assert value(text, "identry_http_request_duration_seconds_count", **labels, status="2xx") == 2
    assert value(text, "identry_http_request_duration_seconds_count", **labels, status="4xx") == 1
    assert b"abc" not in text


@every("seconds", [0.0, *BOUNDS, 11.0])
def test_a_duration_on_a_bound_belongs_to_that_bucket(seconds: float) -> None:
    requests = RequestMetrics()
    requests.observe(line(duration_ms=seconds * 1000))
    text = render(requests.families())
    name, labels = "identry_http_request_duration_seconds", {"method": "GET", "route": "/health", "status": "2xx"}
    for bound in BOUNDS:
        assert value(text, f"{name}_bucket", **labels, le=repr(bound)) == (1 if seconds <= bound else 0)
    assert value(text, f"{name}_bucket", **labels, le="+Inf") == 1
    assert value(text, f"{name}_sum", **labels) == pytest.approx(seconds)


def test_strangers_cannot_grow_the_table() -> None:
    requests = RequestMetrics()
    for i in range(1000):
        stranger = line(method=f"M{i}", path=f"/wp-{i}", status=404)
        del stranger["route"]
        requests.observe(stranger)
    text = render(requests.families())
    assert text.count(b"_count{") == 1
    labels = {"method": "OTHER", "route": "unmatched", "status": "4xx"}
    assert value(text, "identry_http_request_duration_seconds_count", **labels) == 1000


def test_outcomes_are_counted_when_the_line_tells_them() -> None:
    requests = RequestMetrics()
    requests.observe(line(sign_in="succeeded"))
    requests.observe(line(sign_in="failed"))
    requests.observe(line(sign_in="failed"))
    requests.observe(line(refresh="replayed"))
    text = render(requests.families())
    assert value(text, "identry_sign_ins_total", outcome="failed") == 2
    assert value(text, "identry_sign_ins_total", outcome="succeeded") == 1
    assert value(text, "identry_refreshes_total", outcome="replayed") == 1


def test_what_workers_tell_is_added_or_its_greatest_taken() -> None:
    one = [counter("c_total", "c", 1), gauge("threads", "t", 2), gauge("age", "a", 5, Merge.MAX)]
    two = [counter("c_total", "c", 10), gauge("threads", "t", 3), gauge("age", "a", 4, Merge.MAX)]
    text = render(merge([one, two]))
    assert [value(text, name) for name in ("c_total", "threads", "age")] == [11, 5, 5]


def test_of_a_worker_that_ended_what_it_counted_stays_and_what_it_held_goes() -> None:
    ended = [counter("c_total", "c", 1), gauge("threads", "t", 2)]
    text = render(merge([[counter("c_total", "c", 5), gauge("threads", "t", 1)]], [ended]))
    assert (value(text, "c_total"), value(text, "threads")) == (6, 1)


def test_a_gauge_without_an_answer_has_no_sample() -> None:
    assert value(render([gauge("mail", "m", None)]), "mail") is None


def test_a_new_release_with_other_buckets_does_not_disturb_the_sum() -> None:
    def histogram(buckets: int) -> list[Family]:
        return [
            Family("h", Kind.HISTOGRAM, "h", (), [((), [1.0] * (buckets + 1))], tuple(map(float, range(1, buckets))))
        ]

    merged = merge([histogram(3)], [histogram(5)])
    assert len(merged[0].samples[0][1]) == 6 or len(merged[0].samples[0][1]) == 4
    render(merged)


_WORKER = """
import sys
from pathlib import Path
from identry.core.metrics.board import Board
from identry.core.metrics.families import counter, gauge
Board(Path(sys.argv[1])).put([counter("c_total", "c", 7), gauge("g", "g", 1)])
print("put", flush=True)
sys.stdin.read()
"""


def test_workers_leave_their_figures_for_the_parent(tmp_path: Path) -> None:
    board = Board(tmp_path)
    workers = [
        subprocess.Popen([sys.executable, "-c", _WORKER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"put\n"
    text = render(board.all())
    assert (value(text, "c_total"), value(text, "g")) == (14, 2)
    workers[0].kill()
    workers[0].communicate()
    for _ in range(2):  # asked again, what the ended one had counted is not counted again
        text = render(board.all())
        assert (value(text, "c_total"), value(text, "g")) == (14, 1)
    workers[1].communicate()
    assert value(render(board.all()), "c_total") == 14


def test_a_damaged_file_is_no_figure(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.put([counter("c_total", "c", 1)])
    (tmp_path / f"{os.getppid()}.metrics").write_bytes(b"\xc1 half a file")
    assert value(render(board.all()), "c_total") == 1


def test_the_port_answers_metrics_and_nothing_else() -> None:
    port = MetricsPort("127.0.0.1", 0, lambda: render([counter("c_total", "c", 3)]))
    port.start()
    try:
        base = f"http://127.0.0.1:{port.port}"
        with urllib.request.urlopen(f"{base}/metrics", timeout=30) as reply:
            assert value(reply.read(), "c_total") == 3
            assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert "Python" not in reply.headers["Server"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{base}/", timeout=30)
        assert refused.value.code == 404
        refused.value.close()
    finally:
        port.stop()
