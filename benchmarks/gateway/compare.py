"""CPU a call of servers that already run, turn by turn: for work on one of them.

    python -m benchmarks.gateway.upstream --port 9000 &
    python -m benchmarks.gateway.compare URL [URL …] [--key KEY] [--stream | --same] [--core 1]

A URL says where calls go, with the path or without (then /v1/chat/completions). Whoever listens on
its port is metered, or the processes given by `--pid`. Put `http://127.0.0.1:9000` beside it to see
what the upstream alone costs.
"""

from __future__ import annotations

import argparse
import os
from statistics import median
from urllib.parse import urlsplit

import uvloop

from benchmarks.gateway import cpu
from benchmarks.gateway.load import (
    CALLS,
    HITS,
    NOT_CACHEABLE,
    STREAMS,
    Door,
    Kind,
    Load,
    Taken,
    percentiles,
)


def main() -> None:
    given = _parser().parse_args()
    uvloop.run(_compare(given))


async def _compare(given: argparse.Namespace) -> None:
    doors = [_door(url, given) for url in given.urls]
    metered = [given.pid or cpu.listeners(door.port) for door in doors]
    if given.core is not None:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {given.core} or {given.core})
        for pids in metered:
            cpu.pin(pids, given.core)
    loads = [await Load(door, _kind(given)).open(given.connections) for door in doors]
    costs: list[list[float]] = [[] for _ in doors]
    for number in range(given.rounds + 1):
        for url, load, pids, cost in zip(given.urls, loads, metered, costs, strict=True):
            before = cpu.seconds(pids)
            taken = await load.closed_loop(given.calls, given.seconds)
            used = cpu.seconds(pids) - before
            if number:  # the first round warms up
                cost.append(used / max(taken.good, 1) * 1e6)
                _show(url, taken, cost[-1], cpu.resident_mb(pids))
    for url, cost in zip(given.urls, costs, strict=True):
        ratio = median(one / first for one, first in zip(cost, costs[0], strict=True))
        print(f"{url}: {median(cost):.1f} µs a call, {ratio:.2f} times the first")


def _show(url: str, taken: Taken, cost: float, resident: float) -> None:
    p50, p99 = percentiles(taken.latencies)
    print(
        f"{url}  {cost:.1f} µs CPU a call  {taken.good / taken.seconds:,.0f} calls/s"
        f"  p50 {p50:.2f} p99 {p99:.2f} ms  {resident:.0f} MB  {taken.failed} failed"
    )
    for failure, times in taken.failures.most_common(3):
        print(f"  {times} times: {failure}")


def _door(url: str, given: argparse.Namespace) -> Door:
    parts = urlsplit(url)
    path = parts.path if parts.path.strip("/") else Door.path
    headers = dict(line.split(": ", 1) for line in given.header)
    if given.key:
        headers["authorization"] = f"Bearer {given.key}"
    return Door(parts.port or 80, path, given.model, headers, parts.hostname or "127.0.0.1")


def _kind(given: argparse.Namespace) -> Kind:
    if given.stream:
        return STREAMS
    if given.same:
        return HITS
    return NOT_CACHEABLE if given.not_cacheable else CALLS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("--key", help="sent as a bearer token")
    parser.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'")
    parser.add_argument("--model", default=Door.model)
    parser.add_argument("--pid", type=int, action="append", help="meter this process instead")
    parser.add_argument("--core", type=int, help="pin what is metered to it, and the load off it")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--calls", type=int, default=20_000, help="in a round, at most")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a round, at most")
    parser.add_argument("--rounds", type=int, default=5)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--stream", action="store_true", help="streams of twenty events")
    kind.add_argument("--same", action="store_true", help="one call over and over: a cache answers")
    kind.add_argument("--not-cacheable", action="store_true", help="at temperature 0.7")
    return parser


if __name__ == "__main__":
    main()
