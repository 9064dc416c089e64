"""The back office as a process: what it acknowledged is in the ledger once, whoever kills it."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from farthing.ledger.workspace import Workspace
from tests.journeys.commands import farthing

SAID = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "note": "a secret"}
ENDPOINT, MODEL = "/v1/traces", "gpt-4o"


@dataclass
class Process:
    """One that listens, and the two pipes to it."""

    running: subprocess.Popen[bytes]
    address: tuple[str, int]
    alive: int | None
    log: Path

    def leave_alone(self) -> None:
        """As a supervisor does that dies."""
        if self.alive is not None:
            os.close(self.alive)
            self.alive = None

    def post(self, body: bytes, token: str) -> int:
        headers = {
            "authorization": f"Bearer {token}",
            "content-type": "application/x-protobuf",
            "content-encoding": "gzip",
        }
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        connection.request("POST", ENDPOINT, gzip.compress(body), headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self.log.read_text().splitlines()]


@contextmanager
def office(folder: Path) -> Iterator[Process]:
    listening = socket.create_server(("127.0.0.1", 0))
    ready, tell = os.pipe()
    watch, alive = os.pipe()
    log = folder / "office.log"
    files = (listening.fileno(), tell, watch)
    names = ("--fd", "--ready-fd", "--alive-fd")
    options = [text for pair in zip(names, map(str, files), strict=True) for text in pair]
    command = [sys.executable, "-m", "farthing.cli.office_process", "--workspace", ".farthing"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with log.open("ab") as errors:
        running = subprocess.Popen(
            [*command, *options], pass_fds=files, cwd=folder, stderr=errors, env=environment
        )
    os.close(tell)
    os.close(watch)
    process = Process(running, listening.getsockname(), alive, log)
    try:
        assert os.read(ready, 16) == b"ready", log.read_text()
        yield process
    finally:
        running.kill()
        running.wait()
        os.close(ready)
        process.leave_alone()
        listening.close()


@pytest.fixture
def token(tmp_path: Path) -> str:
    done = farthing("key", "create", "--team", "search", "--json", folder=tmp_path)
    return str(json.loads(done.stdout)["key"])


def test_a_call_comes_in_and_a_kill_between_receipt_and_import_neither_loses_nor_doubles_it(
    tmp_path: Path, token: str
) -> None:
    with office(tmp_path) as first:
        assert first.post(exported(1), token) == 200
        eventually(lambda: calls(tmp_path) == [(MODEL, "search", "0.0035")])
        with Workspace.open(tmp_path / ".farthing").lock():  # no import gets through
            time.sleep(0.1)
            assert first.post(exported(1, 2), token) == 200
            first.running.send_signal(signal.SIGKILL)
            first.running.wait()
        assert len(calls(tmp_path)) == 1
    with office(tmp_path) as second:
        eventually(lambda: len(calls(tmp_path)) == 2)
        assert list((tmp_path / ".farthing" / "inbox").glob("*.jsonl")) == []
        assert token.rpartition("_")[2] not in second.log.read_text()
        assert "a secret" not in second.log.read_text()
        assert {"request", "spans imported"} <= {each["message"] for each in second.lines()}


def test_it_ends_in_order_when_told_to_or_when_its_supervisor_is_gone(tmp_path: Path) -> None:
    with office(tmp_path) as told:
        told.running.terminate()
        assert told.running.wait(20) == 0
    with office(tmp_path) as orphan:
        orphan.leave_alone()
        assert orphan.running.wait(20) == 0
        assert all("time" in each for each in orphan.lines())


def exported(*ids: int) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in ids:
        span = scope.spans.add(trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"))
        span.start_time_unix_nano = 1_790_000_000_000_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + 10**9
        for name, value in {**SAID, "gen_ai.request.model": MODEL}.items():
            span.attributes.add(key=name).value.string_value = value
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 1000
        span.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 100
    body: bytes = request.SerializeToString()
    return body


def calls(folder: Path) -> list[tuple[str, str, str]]:
    done = farthing("calls", "--jsonl", folder=folder)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [(each["model"], each["scope"]["team"], each["effective_usd"]) for each in found]


def eventually(true: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.2)
