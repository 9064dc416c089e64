"""Servers that a benchmark starts, each on its core, and stops again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from benchmarks.gateway.load import Door

HOME = Path(__file__).parent.parent.parent
T = TypeVar("T")
PATIENCE = 90.0  # LiteLLM imports for a quarter of a minute on a quiet machine


class Absent(Exception):
    """A server that cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Place:
    """Where a server is to run: a folder of its own, a core, and the upstream's port."""

    folder: Path
    core: int
    upstream: int


@dataclass
class Server:
    """One that takes calls: its door, whose CPU counts, and what else belongs to it."""

    name: str
    door: Door
    pids: list[int]
    beside: list[int] = field(default_factory=list)  # its other processes, metered apart
    notes: list[str] = field(default_factory=list)
    slow: bool = False  # cannot keep up with the usual rate on one core
    caches: bool = False  # answers equal calls from memory


@contextmanager
def started(
    command: Sequence[str | Path], place: Place, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A program on the place's core; what it prints goes to `log` and, stdout, to `out`."""
    with (place.folder / "log").open("w") as log, (place.folder / "out").open("w") as out:
        process = subprocess.Popen(
            ["taskset", "-c", str(place.core), *command],
            cwd=place.folder,
            env={**os.environ, **(environment or {})},
            stdout=out,
            stderr=log,
            text=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(look: Callable[[], T | None], process: subprocess.Popen[str], place: Place) -> T:
    """What `look` finds once the server is that far."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        if (found := look()) is not None:
            return found
        time.sleep(0.1)
    said = (place.folder / "out").read_text() + (place.folder / "log").read_text()
    raise Absent(f"did not start: {said[-1000:]}")


def answers(port: int) -> bool | None:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return None
    return True


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def dev() -> ModuleType:
    """The set-up script: it knows where packages and programs come from."""
    loader = SourceFileLoader("dev_script", str(HOME / "dev"))
    spec = spec_from_loader("dev_script", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module
