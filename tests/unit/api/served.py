"""A back office that listens on a real socket, and spans as exporters send them."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from farthing.access.admin import ensure_admin_token
from farthing.api.office import Office, app
from farthing.ledger.audit import By
from farthing.ledger.state import State

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
BEGAN = 1_790_000_000_000_000_000
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])

    @property
    def partial(self) -> tuple[int, str]:
        """Of a protobuf answer to an export: how many spans were rejected, and why."""
        told = ExportTraceServiceResponse.FromString(self.body).partial_success
        return told.rejected_spans, told.error_message


@dataclass(frozen=True)
class Client:
    """One connection a request, as a careful tester would."""

    address: tuple[str, int]
    token: str
    office: Office

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            reply: HTTPResponse = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, headers=headers)

    def export(
        self, body: bytes, headers: Mapping[str, str] = PROTOBUF, token: str | None = None
    ) -> Reply:
        who = {"authorization": f"Bearer {self.token if token is None else token}"}
        return self.send("POST", "/v1/traces", body, {**who, **headers})

    def export_packed(self, body: bytes, headers: Mapping[str, str] = PROTOBUF) -> Reply:
        return self.export(gzip.compress(body), {**headers, "content-encoding": "gzip"})


@contextmanager
def serving(root: Path) -> Iterator[Client]:
    """The real app under the real server, in a thread of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    token = _admin_token(root)
    offices: list[Office] = []
    servers: list[uvicorn.Server] = []

    def serve() -> None:
        offices.append(Office(root))  # where it is used: SQLite's connections stay in a thread
        config = uvicorn.Config(
            app(offices[0]), http="httptools", ws="none", lifespan="on", log_config=None
        )
        servers.append(uvicorn.Server(config))
        asyncio.run(servers[0].serve(sockets=[listening]))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        until(lambda: bool(servers) and servers[0].started)
        yield Client(address, token, offices[0])
    finally:
        if servers:
            servers[0].should_exit = True
        thread.join()


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def request_of(
    *spans: Mapping[str, Any], resource: Mapping[str, Any] | None = None
) -> ExportTraceServiceRequest:
    """Spans by their attributes; `id` is the span's number, `began` its time, where given."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(_pairs(resource or {"service.name": "shop"}))
    scope = group.scope_spans.add()
    for number, said in enumerate(spans, 1):
        span = scope.spans.add()
        span.trace_id = bytes(15) + b"\x07"
        span.span_id = int(said.get("id", number)).to_bytes(8, "big")
        span.start_time_unix_nano = said.get("began", BEGAN)
        span.end_time_unix_nano = span.start_time_unix_nano + 250_000_000
        span.attributes.extend(_pairs({k: v for k, v in said.items() if k not in {"id", "began"}}))
    return request


def exported(*spans: Mapping[str, Any], resource: Mapping[str, Any] | None = None) -> bytes:
    """The bytes that an exporter sends."""
    body: bytes = request_of(*spans, resource=resource).SerializeToString()
    return body


def _pairs(said: Mapping[str, Any]) -> list[KeyValue]:
    pairs = []
    for name, value in said.items():
        pair = KeyValue(key=name)
        kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
        setattr(pair.value, kind[type(value)], value)
        pairs.append(pair)
    return pairs


def _admin_token(root: Path) -> str:
    root.mkdir(parents=True, exist_ok=True)
    state = State.open(root)
    try:
        token = ensure_admin_token(state, By("test", datetime.now(UTC)))
    finally:
        state.close()
    assert token is not None
    return token
