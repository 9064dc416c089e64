"""A running `farthing up`, and the simulator as a provider in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.journeys.commands import COMMAND, farthing

START_SECONDS = 60


@dataclass
class Up:
    """What `farthing up --json` said, and its process."""

    folder: Path
    process: subprocess.Popen[str]
    gateway: str
    office: str
    admin_token: str | None
    demo_key: str | None

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.stdout is not None
        with self.process.stdout:
            return self.process.wait(60)

    def gateway_pid(self) -> int:
        """The process behind the gateway's socket."""
        return _child(self.process.pid, "gateway_process")

    def pids(self) -> list[int]:
        """The processes behind its sockets, as far as they run."""
        parent = self.process.pid
        return [int(pid) for pid in _children(parent)]

    def office_pid(self) -> int:
        return _child(self.process.pid, "office_process")


@dataclass
class Provider:
    """The simulator over HTTP, with a file of every attempt that reached it."""

    url: str
    log: Path

    def attempts(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]


@contextmanager
def up(
    folder: Path,
    *more: str,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[Up]:
    """Start it on free ports; stopped with SIGTERM at the end if it still runs."""
    started = start(folder, *more, environment=environment, log=log)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.stop()


def start(
    folder: Path,
    *more: str,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Up:
    """`log` is where its standard error goes; ours, unless said."""
    given = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})}
    given.pop("FARTHING_WORKSPACE", None)
    arguments = ["up", "--gateway-port", "0", "--office-port", "0", "--json", *more]
    with ExitStack() as stack:
        errors = stack.enter_context(log.open("ab")) if log else None
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            env=given,
            text=True,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"`up` ended with {process.wait()}"
    return Up(folder, process, **json.loads(line))


@contextmanager
def provider(folder: Path, *more: str) -> Iterator[Provider]:
    log = folder / "attempts.ndjson"
    command = [sys.executable, "-m", "farthing.providers.simulator", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--log", str(log), *more], text=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield Provider(json.loads(process.stdout.readline())["url"], log)
    finally:
        process.terminate()
        with process.stdout:
            process.wait(20)


def configure(folder: Path, url: str, more: str = "") -> None:
    """A farthing.toml in the current folder that calls one simulator over HTTP."""
    text = f'[providers.acme]\nkind = "simulator"\nbase_url = "{url}"\nmodels = ["sim-*"]\n{more}'
    (folder / "farthing.toml").write_text(text)


def key(folder: Path, *more: str) -> dict[str, str]:
    made = farthing("key", "create", "--team", "search", *more, "--json", folder=folder)
    assert made.returncode == 0, made.stderr
    return dict(json.loads(made.stdout))


def rows(folder: Path, *where: str) -> list[dict[str, Any]]:
    """The gateway's rows in the ledger, table and journal."""
    filters = [part for text in ("source=gateway", *where) for part in ("--where", text)]
    joined = ",".join(filters[1::2])
    found = farthing("calls", "--where", joined, "--jsonl", folder=folder)
    assert found.returncode == 0, found.stderr
    return [json.loads(line) for line in found.stdout.splitlines()]


def budget(folder: Path, name: str) -> dict[str, Any]:
    found = farthing("budget", "show", name, "--json", folder=folder)
    assert found.returncode == 0, found.stderr
    return dict(json.loads(found.stdout))


def until_ready(url: str, seconds: float = 30) -> None:
    """Wait until a gateway that was killed serves again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urlopen(f"{url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def eventually(true: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def _child(parent: int, name: str) -> int:
    for pid in _children(parent):
        if name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(pid)
    raise AssertionError(f"no child of {parent} runs {name}")


def _children(parent: int) -> list[str]:
    return Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
