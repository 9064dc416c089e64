"""`/metrics` of the gateway: the counters and what stands now, in Prometheus' names and units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from farthing.gateway.counters import Counters
from farthing.gateway.live import Live
from farthing.gateway.timings import Timings

MOST_BUDGETS = 200  # that are told one by one: those nearest their limits
_PICO = 10**12

Connections = Callable[[], Mapping[str, tuple[int, int]]]


class Metrics(Collector):
    """Read off when somebody asks. No label's values come from callers."""

    def __init__(self, live: Live, lag: Callable[[], float], connections: Connections) -> None:
        self._live, self._lag, self._connections = live, lag, connections

    def collect(self) -> Iterator[Metric]:
        yield from _counted(self._live.counters)
        yield from _timed(self._live.counters)
        yield from self._books()
        yield from self._budgets()
        memory = self._live.answers.memory
        yield _gauge("cache_entries", "Answers that are kept.", len(memory))
        yield _gauge("cache_bytes", "Memory that they take.", memory.used_bytes)
        yield from _connected(self._connections())

    def _books(self) -> Iterator[Metric]:
        ledger = self._live.ledger
        yield _gauge("calls_in_flight", "Calls in flight.", self._live.counters.in_flight)
        yield _gauge("unwritten_rows", "Rows in memory only.", ledger.waiting)
        yield _gauge(
            "journal_unsynced_seconds",
            "Age of the oldest line that a power cut could still take.",
            self._lag(),
        )
        yield _gauge(
            "ready",
            "Whether new calls are taken, as /readyz says.",
            not (self._live.draining or self._live.state_lost or ledger.trouble),
        )

    def _budgets(self) -> Iterator[Metric]:
        holds = self._live.holds
        yield _gauge("open_holds", "Attempts that hold part of a budget.", holds.open_count())
        yield _gauge("held_usd", "Dollars held, in all budgets.", holds.open_holds() / _PICO)
        limit = _of_budgets("limit_usd", "What a hard budget grants.")
        settled = _of_budgets("settled_usd", "What is spent of it in this period.")
        held = _of_budgets("held_usd", "What calls in flight hold of it.")
        blocked = _of_budgets("blocked", "Whether it grants nothing until somebody lifts it.")
        for each in holds.standing(self._live.now(), MOST_BUDGETS):
            name = (each.budget.name,)
            limit.add_metric(name, each.limit / _PICO)
            settled.add_metric(name, each.settled / _PICO)
            held.add_metric(name, each.held / _PICO)
            blocked.add_metric(name, each.blocked is not None)
        yield from (limit, settled, held, blocked)


def _counted(told: Counters) -> Iterator[Metric]:
    calls = {
        (protocol, str(status or "none"), word.decode()): count
        for (protocol, status, word), count in list(told.calls.items())
    }
    yield _counter(
        "calls", "Calls that ended, by the status that their callers got.",
        ("protocol", "status", "cache"), calls,
    )  # fmt: skip
    yield _counter("refusals", "Calls refused.", ("code",), told.refusals)
    yield _counter("attempts", "Attempts at providers.", ("provider", "status"), told.attempts)
    yield _counter(
        "upstream_errors", "Attempts that failed, by HTTP status or by what went wrong.",
        ("provider", "fault"), told.failures,
    )  # fmt: skip
    yield _counter("tokens", "Tokens used.", ("provider", "direction"), told.tokens)
    yield _counter("cost_usd", "Dollars spent.", ("provider",), _dollars(told.cost_pico))
    saved = _dollars(told.saved_pico)
    yield _counter("saved_usd", "Dollars not spent, by why.", ("reason",), saved)
    yield from _in_shadow(told)


def _in_shadow(told: Counters) -> Iterator[Metric]:
    """Below 0 where following a knob would have cost more: so no counter."""
    about = "Decisions of knobs in shadow that would have changed something."
    yield _counter("shadow", about, ("knob",), told.shadow)
    family = GaugeMetricFamily(
        "farthing_shadow_saved_usd", "Dollars that they would have saved.", labels=("knob",)
    )
    for knob, dollars in _dollars(told.shadow_pico).items():
        family.add_metric((knob,), dollars)
    yield family


def _timed(told: Counters) -> Iterator[Metric]:
    yield _histogram(
        "call_duration_seconds", "Calls, from their arrival to the last byte of their answer.",
        "cache", told.took,
    )  # fmt: skip
    yield _histogram(
        "first_byte_seconds", "Attempts, until the first byte of the provider's answer.",
        "provider", told.first_byte,
    )  # fmt: skip
    yield _histogram(
        "added_seconds",
        "What of a call was not spent at a provider: our work, waiting for budgets and retries.",
        "", told.added,
    )  # fmt: skip


def _connected(found: Mapping[str, tuple[int, int]]) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "farthing_upstream_connections", "Open connections.", labels=("upstream", "state")
    )
    for place, (used, idle) in found.items():
        family.add_metric((place, "used"), used)
        family.add_metric((place, "idle"), idle)
    yield family


def _dollars(pico: Mapping[str, int]) -> dict[str, float]:
    return {name: amount / _PICO for name, amount in list(pico.items())}


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"farthing_{name}", about, value)


def _of_budgets(name: str, about: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"farthing_budget_{name}", about, labels=("budget",))


def _counter(
    name: str, about: str, labels: tuple[str, ...], values: Mapping[Any, float]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"farthing_{name}", about, labels=labels)
    for said, value in list(values.items()):
        family.add_metric(said if isinstance(said, tuple) else (str(said),), value)
    return family


def _histogram(name: str, about: str, label: str, timings: Timings) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"farthing_{name}", about, labels=(label,) if label else ())
    for said, buckets, total in timings.read():
        shown = [("+Inf" if le == float("inf") else str(le), n) for le, n in buckets]
        family.add_metric((said,) if label else (), shown, total)
    return family
