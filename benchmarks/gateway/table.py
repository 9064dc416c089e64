"""The figures as lines with their bounds, and as a table for the results page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from statistics import median

from benchmarks.gateway.load import percentiles
from benchmarks.gateway.rounds import Figures

PAGE = Path(__file__).parent.parent / "RESULTS.md"
BEGIN, END = "<!-- gateway: written by bench_gateway -->", "<!-- /gateway -->"
DIRECT, BOUND, OURS = "direct", "nginx", "farthing"


def lines(figures: Mapping[str, Figures]) -> Iterator[str]:
    """`<what> <measured> <bound> <ratio>`; below 1 is good."""
    for each in _measured(figures):
        yield from _about(each, figures)
    yield line("other work on the core, at the median", disturbed(figures) * 100, "%")
    if OURS in figures:
        yield from _bounds(figures)


def _about(each: Figures, figures: Mapping[str, Figures]) -> Iterator[str]:
    p50, p99 = added(each, figures[DIRECT])
    name = each.name
    yield line(f"{name}: CPU a call", median(each.call), "µs")
    if BOUND in figures and name != BOUND:
        yield line(f"{name}: CPU a call, against {BOUND}", _against(each, figures[BOUND]), "×")
    yield line(f"{name}: calls", median(each.throughput), "/s")
    yield line(f"{name}: added p50 at {each.rate:.0f}/s", p50, "ms")
    yield line(f"{name}: added p99 at {each.rate:.0f}/s", p99, "ms")
    yield line(f"{name}: streams of 20 events", 1e6 / median(each.stream), "/core-s")
    yield line(f"{name}: resident", each.resident, "MB")
    if each.hit:
        yield line(f"{name}: CPU a call that no cache keeps", median(each.plain), "µs")
        yield line(f"{name}: CPU of its other processes a call", median(each.beside), "µs")


def _bounds(figures: Mapping[str, Figures]) -> Iterator[str]:
    ours = figures[OURS]
    call, (p50, _) = median(ours.call), added(ours, figures[DIRECT])
    yield line("CPU a call", call, "µs", 65)
    if BOUND in figures:
        yield line(f"CPU a call, against {BOUND}", _against(ours, figures[BOUND]), "×", 4.5)
    yield line("added p50", p50, "ms", 0.6)
    if ours.hit:
        yield line("CPU of an exact hit", median(ours.hit), "µs", 60)
    yield line("streams", 1e6 / median(ours.stream), "/core-s", 4000, least=True)
    if rival := figures.get("TensorZero"):
        yield line("CPU a call, TensorZero's", call, "µs", median(rival.call))
        yield line("added p50, TensorZero's", p50, "ms", added(rival, figures[DIRECT])[0])
    if rival := figures.get("LiteLLM"):
        yield line("CPU a call, a hundredth of LiteLLM's", call, "µs", median(rival.call) / 100)


def line(what: str, measured: float, unit: str, bound: float = 0.0, *, least: bool = False) -> str:
    shown = f"{what:48} {_figure(measured):>10} {unit}"
    if not bound:
        return shown
    ratio = bound / measured if least else measured / bound
    return f"{shown:68} {'≥' if least else '≤'} {_figure(bound):>7}  {ratio:.2f}"


def added(each: Figures, direct: Figures) -> tuple[float, float]:
    """What it adds to p50 and p99, in ms: the p50 round by round, the p99 over all rounds."""
    halves = [
        percentiles(one)[0] - percentiles(bare)[0]
        for one, bare in zip(each.latencies, direct.latencies, strict=True)
    ]
    all_of_it, all_direct = chain(*each.latencies), chain(*direct.latencies)
    return median(halves), percentiles(all_of_it)[1] - percentiles(all_direct)[1]


def disturbed(figures: Mapping[str, Figures]) -> float:
    """The share of the servers' core that went to others while they were metered."""
    return median(chain(*(each.disturbed for each in _measured(figures))))


def markdown(figures: Mapping[str, Figures]) -> str:
    rows = [
        "| | CPU µs a call | × nginx | added p50 / p99 ms | at calls/s | streams/core-s | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in _measured(figures):
        p50, p99 = added(each, figures[DIRECT])
        times = _figure(_against(each, figures[BOUND])) if BOUND in figures else "–"
        cells = [each.name, _figure(median(each.call)), times, f"{p50:.2f} / {p99:.2f}"]
        cells += [f"{each.rate:.0f}", _figure(1e6 / median(each.stream)), f"{each.resident:.0f}"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def write(section: str) -> None:
    """Put the section between its marks on the results page, at the end where there are none."""
    page = PAGE.read_text()
    before, marked, rest = page.partition(BEGIN)
    after = rest.partition(END)[2] if marked else "\n"
    gap = "" if marked else "\n"
    PAGE.write_text(f"{before}{gap}{BEGIN}\n{section.rstrip()}\n{END}{after}")


def _measured(figures: Mapping[str, Figures]) -> list[Figures]:
    return [each for each in figures.values() if each.call]


def _against(each: Figures, bound: Figures) -> float:
    return median(one / other for one, other in zip(each.call, bound.call, strict=True))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
