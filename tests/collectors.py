"""A collector that spans are exported to: it reads OTLP as the specification has it, or refuses."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT


@dataclass
class Received:
    """Requests that came, and how they are answered: a status, or the default 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)  # statuses of the next requests
    rejects: int = 0
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    attempts: int = 0

    @property
    def spans(self) -> list[Span]:
        """All that were acknowledged, as often as they came."""
        return [
            span
            for request in list(self.requests)
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    @property
    def by_id(self) -> dict[tuple[bytes, bytes], Span]:
        return {(span.trace_id, span.span_id): span for span in self.spans}

    def of(self, kind: int) -> list[Span]:
        return [span for span in self.by_id.values() if span.kind == kind]


def said(span: Span) -> dict[str, Any]:
    """Its attributes as a plain mapping."""
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes
    }


@contextmanager
def collector(context: ssl.SSLContext | None = None) -> Iterator[Received]:
    received = Received()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(received))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if context else "http"
    received.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(received: Received) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.attempts += 1
            body = self.rfile.read(int(self.headers["content-length"]))
            status = received.answers.pop(0) if received.answers else self._wrong()
            if status == 200:
                plain = gzip.decompress(body)
                received.requests.append(ExportTraceServiceRequest.FromString(plain))
                received.bodies.append(plain)
                received.headers.append({k.lower(): v for k, v in self.headers.items()})
            answer = ExportTraceServiceResponse()
            answer.partial_success.rejected_spans = received.rejects
            content = answer.SerializeToString()
            self.send_response(status)
            if status in {301, 307}:
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _wrong(self) -> int:
            if self.path != "/v1/traces":
                return 404
            right = self.headers["content-type"] == "application/x-protobuf"
            return 200 if right and self.headers["content-encoding"] == "gzip" else 415

        def log_message(self, *_: object) -> None:
            pass

    return Handler
