"""Memory over a million calls, or over many minutes of mixed calls."""

from __future__ import annotations

import time
from statistics import median

from benchmarks.gateway import cpu
from benchmarks.gateway.load import CALLS, HITS, NOT_CACHEABLE, STREAMS, Load
from benchmarks.gateway.rounds import CONNECTIONS
from benchmarks.gateway.servers import Server
from benchmarks.gateway.table import line

MILLION = 1_000_000
STEPS = 10
RATE = 400.0  # a second: half an hour leaves less than a million rows
SLICE = 10.0  # seconds of one kind of call
MIX = (CALLS, STREAMS, HITS, NOT_CACHEABLE)


async def million(server: Server) -> None:
    load = await Load(server.door, CALLS).open(CONNECTIONS)
    began, good = cpu.seconds(server.pids), 0
    print(line(f"{server.name}: resident at first", cpu.resident_mb(server.pids), "MB"))
    for step in range(1, STEPS + 1):
        taken = await load.closed_loop(MILLION // STEPS, 120.0)
        good += taken.good
        at = f"{server.name}: resident after {good:,} calls"
        bound = 120 if step == STEPS else 0
        print(line(at, cpu.resident_mb(server.pids), "MB", bound), flush=True)
        for failure, times in taken.failures.most_common(2):
            print(f"  {times} times: {failure}")
    load.close()
    used = (cpu.seconds(server.pids) - began) / max(good, 1) * 1e6
    print(line(f"{server.name}: CPU a call over all of them", used, "µs"))


async def soak(server: Server, minutes: float) -> None:
    """Memory is flat when the last third holds what the middle third held."""
    began, failed = time.monotonic(), 0
    samples: list[float] = []
    while time.monotonic() - began < minutes * 60:
        kind = MIX[len(samples) % len(MIX)]
        load = await Load(server.door, kind).open(64)
        taken = await load.open_loop(RATE, min(SLICE, minutes * 60))
        load.close()
        failed += taken.failed
        samples.append(cpu.resident_mb(server.pids))
        minute = (time.monotonic() - began) / 60
        if len(samples) % 6 == 0:
            print(f"  minute {minute:5.1f}  {samples[-1]:7.1f} MB  {failed} failed", flush=True)
    third = max(len(samples) // 3, 1)
    middle, last = median(samples[third : 2 * third] or samples), median(samples[-third:])
    print(line(f"{server.name}: resident, last third of {minutes:g} minutes", last, "MB", 120))
    print(line(f"{server.name}: the same, against the middle third", last, "MB", middle * 1.02))
