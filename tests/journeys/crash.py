"""Processes that work on a workspace until somebody kills them.

Call number n of a source costs n picodollars. So whatever a reader sees is right exactly if it
is the calls 1 to n of each source: n rows that cost n (n + 1) / 2 together.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING, Any

from farthing.domain.call import Call
from farthing.domain.money import Money
from farthing.ledger import engine, journal, rollup
from farthing.ledger.compact import compact
from farthing.ledger.tidy import tidy
from farthing.ledger.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

START = datetime(2026, 10, 1, 23, 59, tzinfo=UTC)

# A process forked from one that has imported everything starts in milliseconds.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.journeys.crash", "duckdb", "deltalake", "msgspec"])


def start(target: Callable[..., None], *args: Any) -> ForkServerProcess:
    process = PROCESSES.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def call(source: str, number: int) -> Call:
    return Call(
        id=f"{number:020x}{source.encode().hex():0>12}",
        time=START + timedelta(seconds=number),  # the first minute of a day, the next in another
        source=source,
        effective_usd=Money(number),
    )


def write(root: str, source: str, first: int, written: Synchronized[int]) -> None:
    """Write calls one after the other, and keep count of them in shared memory."""
    writing = journal.Journal(Workspace.open(root), rotate_bytes=9000, sync_seconds=0.005)
    number = first
    while True:
        one = call(source, number)
        writing.intent(one, one.effective_usd)
        time.sleep(0.0005)  # most die here, between the two lines
        writing.settle(one)
        written.value = number
        number += 1


def write_then_die(root: str, source: str, first: int, count: int) -> None:
    """Write so many calls, the last one without an answer."""
    writing = journal.Journal(Workspace.open(root), rotate_bytes=1200)
    for number in range(first, first + count):
        one = call(source, number)
        writing.intent(one, one.effective_usd)
        if number < first + count - 1:
            writing.settle(one)
    die()


def compact_until(root: str, step: str, times: int) -> None:
    """Compact, and die when the step has been done for the n-th time."""
    left = times

    def watch(done: str) -> None:
        nonlocal left
        left -= done == step
        if not left:
            die()

    workspace = Workspace.open(root)
    compact(workspace, step=watch)
    tidy(workspace, many=2, step=lambda done: watch(f"tidy {done}"))
    rollup.update(workspace, step=lambda done: watch(f"rollup {done}"))


def compact_forever(root: str, stop: Event) -> None:
    while not stop.wait(0.02):
        workspace = Workspace.open(root)
        compact(workspace)
        tidy(workspace, many=5)
        rollup.update(workspace)


def watch(root: str, stop: Event, report: Connection) -> None:
    """Read again and again; report how often, or what was wrong."""
    workspace = Workspace.open(root)
    con = engine.connect(workspace, threads=1)
    before: dict[str, int] = {}
    reads = 0
    while not stop.is_set():
        try:
            engine.attach(con, workspace)
            now = counted(con)
        except Exception as error:  # noqa: BLE001  whatever it is, the test shall say it
            report.send(repr(error))
            return
        if lost := {source: n for source, n in before.items() if now.get(source, 0) < n}:
            report.send(f"{lost} were there, now {now}")
            return
        before = now
        reads += 1
        stop.wait(0.1)
    report.send(reads)


def counted(con: DuckDBPyConnection) -> dict[str, int]:
    """How many calls each source has; fails unless these are the first n of it, each once."""
    rows = con.sql(
        "SELECT source, count(*), count(DISTINCT id), max(id[:20]), sum(effective_usd)"
        " FROM calls GROUP BY source"
    ).fetchall()
    for source, count, distinct, newest, total in rows:
        picodollars = Decimal(count * (count + 1) // 2).scaleb(-12)
        assert (distinct, int(newest, 16), total) == (count, count, picodollars), source
    counts = {source: count for source, count, *_ in rows}
    totals = {source: (count, total) for source, count, _, _, total in rows}
    sums = con.sql("SELECT source, sum(rows), sum(effective_usd) FROM rollup GROUP BY source")
    assert {source: (count, total) for source, count, total in sums.fetchall()} == totals
    return counts


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
