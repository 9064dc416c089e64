"""What the gateway answers without a key: whether it lives, whether it is ready, its metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from farthing.gateway.asgi import Page
from farthing.gateway.live import Live

_TEXT = [(b"content-type", b"text/plain; charset=utf-8")]
_METRICS = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]
_PICO = 10**12


def pages(live: Live) -> Mapping[str, Page]:
    registry = CollectorRegistry()
    registry.register(_Collector(live))
    return {
        "/healthz": lambda: (200, _TEXT, b"ok\n"),
        "/readyz": _ready(live),
        "/metrics": lambda: (200, _METRICS, generate_latest(registry)),
    }


def _ready(live: Live) -> Callable[[], tuple[int, list[tuple[bytes, bytes]], bytes]]:
    def answer() -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        why = "draining" if live.draining else live.state_lost or live.ledger.trouble
        return (503, _TEXT, f"{why}\n".encode()) if why else (200, _TEXT, b"ready\n")

    return answer


class _Collector(Collector):
    """The counters, in Prometheus' names and units."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def collect(self) -> Iterator[Metric]:
        told = self._live.counters
        yield _family(
            "farthing_attempts", "Attempts at providers.", ("provider", "status"), told.attempts
        )
        yield _family("farthing_tokens", "Tokens used.", ("provider", "direction"), told.tokens)
        yield _family("farthing_refusals", "Calls refused, by code.", ("code",), told.refusals)
        cost = {name: pico / _PICO for name, pico in told.cost_pico.items()}
        yield _family("farthing_cost_usd", "Dollars spent.", ("provider",), cost)
        saved = {name: pico / _PICO for name, pico in told.saved_pico.items()}
        yield _family("farthing_saved_usd", "Dollars not spent, by reason.", ("reason",), saved)
        yield _family(
            "farthing_shadow", "Decisions that knobs in shadow made.", ("knob",), told.shadow
        )
        family = GaugeMetricFamily(
            "farthing_shadow_saved_usd", "Dollars they would have saved.", labels=("knob",)
        )
        for knob, pico in list(told.shadow_pico.items()):
            family.add_metric((knob,), pico / _PICO)
        yield family
        gauges = {
            "farthing_calls_in_flight": ("Calls in flight.", told.in_flight),
            "farthing_held_usd": ("Dollars held.", self._live.holds.open_holds() / _PICO),
            "farthing_unwritten_rows": ("Rows in memory only.", self._live.ledger.waiting),
        }
        for name, (about, value) in gauges.items():
            yield GaugeMetricFamily(name, about, value)


def _family(
    name: str, about: str, labels: tuple[str, ...], values: Mapping[Any, float]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, about, labels=labels)
    for said, value in list(values.items()):
        family.add_metric(said if isinstance(said, tuple) else (str(said),), value)
    return family
