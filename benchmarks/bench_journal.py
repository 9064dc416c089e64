"""How much the journal costs: a line, a reader over its tail, a restart, a compaction.

Run it with `python -m benchmarks.bench_journal [LINES]`. Each figure stands beside the least
that the same bytes can cost: one `write(2)`, DuckDB's own reading of the files, splitting them
into lines. They share process and disk, in turns, so that a busy machine slows both.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from farthing.domain.call import Call
from farthing.domain.money import Money
from farthing.ledger import engine, journal, scan, schema
from farthing.ledger.compact import compact
from farthing.ledger.journal import Journal
from farthing.ledger.workspace import Workspace

LINES = 200_000
ROUNDS = 3
TARGET_US = 5.0


def main(lines: int) -> None:
    calls = [_call(number) for number in range(lines)]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(folder)
        size = _write(workspace, calls)
        print(f"{lines:,} lines of {size / lines:.0f} bytes")
        _read(workspace, lines)
        _restart(workspace, lines)
        began = time.perf_counter()
        moved = compact(workspace)
        took = time.perf_counter() - began
        print(f"compaction: {took:.2f} s, {moved.rows / took:,.0f} rows/s into the table")


def _write(workspace: Workspace, calls: list[Call]) -> int:
    """Settlements, then intents without an answer, as a killed process leaves them."""
    line = b"x" * 700
    with tempfile.TemporaryFile() as plain:
        least = _us_per_line(lambda _: os.write(plain.fileno(), line), calls)
    writing = Journal(workspace)
    settled = _us_per_line(writing.settle, calls)
    size = sum(each.path.stat().st_size for each in journal.segments(workspace))
    hold = Money.of("0.01")
    waiting = [_call(len(calls) + number) for number in range(2000)]
    meant = _us_per_line(lambda call: writing.intent(call, hold), waiting)
    writing.close()
    print(f"write(2) alone: {least:.1f} µs a line")
    for kind, us in (("settlement", settled), ("intent", meant)):
        print(
            f"{kind}: {us:.1f} µs a line, {us / TARGET_US:.2f} of the target of {TARGET_US:.0f}; "
            f"ratio to write(2) alone {us / least:.1f}"
        )
    return size


def _us_per_line(write: Callable[[Call], object], calls: list[Call]) -> float:
    """The median of twenty parts, in this thread's processor time."""
    step = max(1, len(calls) // 20)
    parts = [calls[start : start + step] for start in range(0, len(calls), step)]
    times = []
    for part in parts:
        began = time.thread_time()
        for call in part:
            write(call)
        times.append((time.thread_time() - began) / len(part))
    return statistics.median(times) * 1e6


def _read(workspace: Workspace, lines: int) -> None:
    con = scan.bare()
    files = scan.paths_list([each.path for each in journal.segments(workspace)])
    typed = schema.CALLS.json_columns()
    plain = f"CREATE OR REPLACE TEMP TABLE plain AS FROM read_json({files}, columns = {typed})"
    ours = engine.connect(workspace)
    bare = statistics.median(_seconds(lambda: con.execute(plain)) for _ in range(ROUNDS))
    took = statistics.median(
        _seconds(lambda: engine.attach(ours, workspace)) for _ in range(ROUNDS)
    )
    print(
        f"reader: {took:.2f} s over {lines:,} lines; DuckDB alone {bare:.2f} s, "
        f"ratio {took / bare:.2f}"
    )


def _restart(workspace: Workspace, lines: int) -> None:
    paths = [each.path for each in journal.segments(workspace)]
    bare = _seconds(lambda: [path.read_bytes().splitlines() for path in paths])
    took = _seconds(lambda: journal.adopt(workspace))
    print(
        f"restart: {lines / took:,.0f} lines/s; splitting alone {lines / bare:,.0f} lines/s, "
        f"ratio {took / bare:.1f}"
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _call(number: int) -> Call:
    cost = Money(number * 2_500_000 % 10**12)
    return Call(
        id=f"{number:032x}",
        time=datetime(2026, 10, 1, tzinfo=UTC) + timedelta(milliseconds=number),
        source="gateway",
        provider="openai",
        account="main",
        operation="chat",
        model="gpt-4o-mini",
        model_served="gpt-4o-mini-2024-07-18",
        response_id=f"chatcmpl-{number:024d}",
        input_fresh=number % 3000,
        cache_read=number % 700,
        output_visible=number % 500,
        list_usd=cost,
        contracted_usd=cost,
        effective_usd=cost,
        price_ids="0123456789abcdef",
        policy_version="7",
        team="search",
        project="assistant",
        feature="answers",
        environment="prod",
        key="key-1",
        session_id=f"{number // 10:016x}",
        trace_id=f"{number:032x}",
        request_hash=f"{number:032x}",
        latency_ms=812,
        ttft_ms=95,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else LINES)
