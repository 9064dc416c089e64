"""`/metrics`: how the back office does, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from farthing.api.chores import Lanes
from farthing.api.housekeeping import Housekeeping
from farthing.api.telemetry import Telemetry
from farthing.api.traces import Traces

if TYPE_CHECKING:
    from farthing.api.exporter import Exporter


@dataclass(frozen=True, slots=True, eq=False)
class Metrics(Collector):
    """Read off when somebody asks; nothing is counted twice."""

    chores: Lanes
    housekeeping: Housekeeping
    traces: Traces
    telemetry: Telemetry

    def collect(self) -> Iterator[Metric]:
        yield from _of_chores(self.chores)
        inbox = self.housekeeping.inbox
        yield _gauge("inbox_documents", "Received and not yet imported.", len(inbox.waiting()))
        yield _gauge("inbox_bytes", "The same in bytes.", inbox.size)
        yield _counter("rows_imported", "Rows added from spans.", self.housekeeping.imported)
        yield _counter("spans_received", "Spans of model calls received.", self.traces.received)
        yield _counter("spans_rejected", "Those of them put aside.", self.traces.rejected)
        if self.telemetry.exporter is not None:
            yield from _of_export(self.telemetry.exporter)


def page(metrics: Metrics) -> Response:
    registry = CollectorRegistry()
    registry.register(metrics)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _of_export(told: Exporter) -> Iterator[Metric]:
    yield _counter("spans_exported", "Spans that the collector has taken.", told.exported)
    yield _counter("spans_refused", "Those of them that it then rejected.", told.rejected)
    yield _counter("spans_given_up", "Spans that it will never get.", told.given_up)
    yield _counter("rows_unsampled", "Rows of callers that record no trace.", told.unsampled)
    yield _gauge("spans_behind_bytes", "Journal that is still to be exported.", told.behind)


def _of_chores(chores: Lanes) -> Iterator[Metric]:
    runs = CounterMetricFamily(
        "farthing_office_chore_runs", "How often a chore ran.", labels=("chore", "outcome")
    )
    done = _times("done", "When a chore last succeeded.")
    failed = _times("failed", "When a chore last failed.")
    for name, run in chores.runs.items():
        runs.add_metric((name, "done"), run.runs - run.failures)
        runs.add_metric((name, "failed"), run.failures)
        if run.done_at:
            done.add_metric((name,), run.done_at.timestamp())
        if run.failed_at:
            failed.add_metric((name,), run.failed_at.timestamp())
    yield from (runs, done, failed)


def _times(what: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        f"farthing_office_chore_last_{what}_timestamp_seconds", text, labels=("chore",)
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"farthing_office_{name}", text, value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"farthing_office_{name}", text, value)
