"""Live through many seeds on every core: `python -m farthing.testing.sim --seeds 0-999`."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import parent_process
from threading import Thread

from farthing.testing.sim.world import CALLS, Report, simulate

_BATCH = 25  # seeds that a process takes at a time
_EVERY_SECONDS = 2.0
_OBJECTS_BETWEEN_SWEEPS = 200_000  # the garbage collector's default is felt


def main() -> int:
    asked = _arguments()
    if asked.replay is not None:
        return _replay(asked.replay, asked.calls)
    first, last = asked.seeds
    began, done, failed = time.monotonic(), 0, Counter[int]()
    total: Counter[str] = Counter()
    told = began
    with ProcessPoolExecutor(asked.jobs, initializer=_begin) as crowd:
        jobs = [crowd.submit(_some, seeds, asked.calls) for seeds in _batches(first, last)]
        for job in as_completed(jobs):
            for report in job.result():
                done += 1
                total.update(_counted(report))
                if report.faults:
                    failed[report.seed] += 1
                    _tell_failure(report, asked.calls)
            if time.monotonic() > told + _EVERY_SECONDS:
                told = time.monotonic()
                _say(
                    f"{done:,} of {last - first + 1:,} seeds, {done / (told - began):.0f} a second"
                )
            if len(failed) >= asked.most_failures:
                _give_up(jobs)
                break
    seconds = time.monotonic() - began
    _say(
        f"{done:,} seeds in {seconds:.0f} s: {total['calls']:,} calls, {total['attempts']:,} "
        f"attempts, {total['kill']:,} kills, {total['power']:,} power cuts, {total['stop']:,} "
        f"stops, {total['checks']:,} checks; {len(failed)} failed"
    )
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m farthing.testing.sim", description=__doc__)
    parser.add_argument("--seeds", type=_range, default=(0, 199), help="FIRST-LAST, or one seed")
    parser.add_argument("--replay", type=int, metavar="SEED", help="tell the story of one seed")
    parser.add_argument("--calls", type=int, default=CALLS, help="calls in each seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--most-failures", type=int, default=10, help="then it gives up")
    return parser.parse_args()


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.replace("_", "").partition("-")
    if not first.isdigit() or not (last or first).isdigit() or int(last or first) < int(first):
        raise argparse.ArgumentTypeError(f"{text!r} is no range of seeds. Write 0-999, or 7.")
    return int(first), int(last or first)


def _batches(first: int, last: int) -> Iterator[range]:
    for at in range(first, last + 1, _BATCH):
        yield range(at, min(at + _BATCH, last + 1))


def _begin() -> None:
    gc.set_threshold(_OBJECTS_BETWEEN_SWEEPS, 20, 100)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Nobody may be left at work by a run that was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _some(seeds: range, calls: int) -> list[Report]:
    reports = [_one(seed, calls) for seed in seeds]
    gc.collect()  # the dead hold files open
    for report in reports:
        if not report.faults:
            report.story.clear()  # nobody reads it; it would only be carried home
    return reports


def _one(seed: int, calls: int) -> Report:
    try:
        return simulate(seed, calls)
    except Exception as error:  # noqa: BLE001  the simulation's own: its seed must be known, too
        return Report(seed, faults=[f"the simulation itself met {error!r}"])


def _counted(report: Report) -> dict[str, int]:
    return {
        "calls": report.calls,
        "attempts": report.attempts,
        "checks": report.checks,
        **report.ends,
    }


def _give_up(jobs: list[Future[list[Report]]]) -> None:
    for job in jobs:
        job.cancel()


def _tell_failure(report: Report, calls: int) -> None:
    more = f" --calls {calls}" if calls != CALLS else ""
    _say(f"\nseed {report.seed} failed: {report.faults[0]}")
    _say(f"replay it: python -m farthing.testing.sim --replay {report.seed}{more}\n")


def _replay(seed: int, calls: int) -> int:
    report = simulate(seed, calls)
    for line in report.story:
        _say(line)
    _say(
        f"\nseed {seed}: {report.steps:,} steps in {report.seconds:.3f} virtual seconds, "
        f"digest {report.digest}"
    )
    for fault in report.faults:
        _say(f"FAULT {fault}")
    return 1 if report.faults else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
