"""The gateway's benchmark counts what was answered, meters who answered, and keeps its page."""

import sys
from subprocess import PIPE, Popen

import pytest

from benchmarks.gateway import cpu, table
from benchmarks.gateway.load import CALLS, HITS, STREAMS, Door, Load
from benchmarks.gateway.rounds import Rounds
from benchmarks.gateway.servers import Server


@pytest.fixture(scope="module")
def upstream():
    command = [sys.executable, "-m", "benchmarks.gateway.upstream"]
    with Popen(command, stdout=PIPE, text=True) as process:
        yield Server("nginx", Door(int(process.stdout.readline())), [process.pid])
        process.terminate()


@pytest.mark.parametrize("kind", [CALLS, STREAMS, HITS], ids=lambda kind: kind.name)
async def test_every_call_of_a_load_is_answered_and_checked(upstream, kind):
    load = await Load(upstream.door, kind).open(4)
    before = cpu.seconds(upstream.pids)
    taken = await load.closed_loop(200, 10)
    load.close()
    assert (taken.good, taken.failed) == (200, 0)
    assert len(taken.latencies) == 200
    assert cpu.seconds(upstream.pids) > before


async def test_a_steady_load_sends_as_many_as_its_rate_says(upstream):
    load = await Load(upstream.door, CALLS).open(4)
    taken = await load.open_loop(200, 0.25)
    load.close()
    assert taken.good + taken.failed == 50


def test_who_listens_is_found_by_the_port(upstream):
    assert cpu.listeners(upstream.door.port) == upstream.pids
    assert cpu.resident_mb(upstream.pids) > 1


def test_no_two_calls_are_equal_but_where_they_should_be():
    assert len({CALLS.render(Door(1))() for _ in range(1)} | {CALLS.render(Door(1))()}) == 2
    assert HITS.render(Door(1))() == HITS.render(Door(1))()


async def test_a_server_that_is_gone_is_a_failure_and_not_a_figure():
    with Popen([sys.executable, "-m", "benchmarks.gateway.upstream"], stdout=PIPE) as process:
        load = await Load(Door(int(process.stdout.readline())), CALLS).open(2)
        process.terminate()
    taken = await load.closed_loop(100, 5)
    assert taken.good == 0


async def test_rounds_end_in_lines_and_a_table(upstream):
    direct = Server("direct", upstream.door, [])
    figures = await Rounds([direct, upstream], 0, 0.05).run(2)
    lines = list(table.lines(figures))
    assert any(line.startswith("nginx: CPU a call") for line in lines)
    assert "| nginx |" in table.markdown(figures)


def test_the_page_keeps_what_stands_around_the_section(tmp_path, monkeypatch):
    page = tmp_path / "RESULTS.md"
    page.write_text("# Results\n\n## Import\n")
    monkeypatch.setattr(table, "PAGE", page)
    table.write("one")
    first = page.read_text()
    page.write_text(first + "\n## After\n")
    table.write("two")
    assert page.read_text() == first.replace("one", "two") + "\n## After\n"
