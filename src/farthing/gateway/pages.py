"""What the gateway answers without a key: whether it lives, whether it is ready, its metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from farthing.gateway.asgi import Page
from farthing.gateway.live import Live

_TEXT = [(b"content-type", b"text/plain; charset=utf-8")]
_METRICS = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]


def pages(live: Live, metrics: Collector) -> Mapping[str, Page]:
    registry = CollectorRegistry()
    registry.register(metrics)
    return {
        "/healthz": lambda: (200, _TEXT, b"ok\n"),
        "/readyz": _ready(live),
        "/metrics": lambda: (200, _METRICS, generate_latest(registry)),
    }


def _ready(live: Live) -> Callable[[], tuple[int, list[tuple[bytes, bytes]], bytes]]:
    def answer() -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        why = "draining" if live.draining else live.state_lost or live.ledger.trouble
        if why:
            return 503, _TEXT, f"{why}\n".encode()
        behind = f": {live.state_behind}" if live.state_behind else ""
        return 200, _TEXT, f"ready{behind}\n".encode()

    return answer
