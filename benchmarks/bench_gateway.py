"""What the gateway costs a call, in turns with nginx, TensorZero and LiteLLM on one core.

python -m benchmarks.bench_gateway [--only nginx,farthing] [--rounds 7] [--write]
python -m benchmarks.bench_gateway --only farthing --million | --soak MINUTES
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from types import ModuleType

import uvloop

from benchmarks.gateway import table
from benchmarks.gateway.load import Door
from benchmarks.gateway.rounds import Figures, Rounds
from benchmarks.gateway.servers import Absent, Place, Server
from benchmarks.gateway.soak import million, soak
from benchmarks.gateway.targets import farthing, litellm, nginx, tensorzero

TARGETS = {each.NAME.lower(): each for each in (nginx, farthing, tensorzero, litellm)}
ALLOWED_FAILURES = 0.001


def main() -> int:
    given = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="farthing-bench-") as folder, ExitStack() as stack:
        core = _cores()
        upstream = stack.enter_context(_upstream())
        servers: list[Server] = []
        for name in given.only:
            place = Place(Path(folder, name), core, upstream)
            servers += _server(TARGETS[name], place, stack)
        gc.collect()
        gc.disable()  # a pause of ours is not a server's latency
        if given.million or given.soak:
            return _memory(servers, given)
        direct = Server(table.DIRECT, Door(upstream), [])
        figures = uvloop.run(Rounds([direct, *servers], core, given.seconds).run(given.rounds))
    if not servers:
        print("Nothing was measured.")
        return 1
    for each in table.lines(figures):
        print(each)
    if given.write:
        table.write(_section(figures, given))
    return _failed(figures)


def _memory(servers: Sequence[Server], given: argparse.Namespace) -> int:
    for server in servers:
        uvloop.run(soak(server, given.soak) if given.soak else million(server))
    return 0


def _server(target: ModuleType, place: Place, stack: ExitStack) -> list[Server]:
    place.folder.mkdir()
    try:
        server = stack.enter_context(target.serve(place))
    except Absent as reason:
        print(f"{target.NAME}: skipped, {reason}", flush=True)
        return []
    for note in server.notes:
        print(f"{target.NAME}: {note}", flush=True)
    return [server]


def _cores() -> int:
    """Keeps the load, and what it starts, off the core that the servers get."""
    *others, last = sorted(os.sched_getaffinity(0))
    if not others:
        print("Only one core here: load and servers share it, so CPU counts and latency does not.")
    os.sched_setaffinity(0, others or {last})
    return last


@contextmanager
def _upstream() -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.gateway.upstream"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def _failed(figures: dict[str, Figures]) -> int:
    """1 when more went wrong than noise explains: then the figures mean nothing."""
    worst = 0.0
    for each in figures.values():
        worst = max(worst, each.failures.total() / max(each.good, 1))
        for failure, times in each.failures.most_common(3):
            print(f"{each.name}: {times} of {each.good:,} calls failed: {failure}")
    return int(worst > ALLOWED_FAILURES)


def _section(figures: dict[str, Figures], given: argparse.Namespace) -> str:
    bounded = [each for each in table.lines(figures) if "≤" in each or "≥" in each]
    lines = "\n".join(["", "```text", *bounded, "```"]) if bounded else ""
    return f"""\
## Gateway: `./dev bench gateway`

Servers in turns on one pinned core of a shared machine, load and upstream on the other; medians of
{given.rounds} rounds, {date.today()}. The ratio to nginx is taken within a round. Other work took
{table.disturbed(figures):.0%} of the servers' core while they were metered.

{table.markdown(figures)}
{lines}"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", type=_names, default=list(TARGETS), help="of " + ",".join(TARGETS)
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="a slice; latency takes two")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    parser.add_argument("--million", action="store_true", help="memory over a million calls")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="memory over mixed calls")
    return parser


def _names(given: str) -> list[str]:
    names = given.lower().split(",")
    if unknown := set(names) - set(TARGETS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
