"""The journal keeps every line that was written, each call once, and no torn line."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farthing.domain.call import STATUSES, Call
from farthing.domain.errors import Defect, FarthingError
from farthing.domain.money import Money
from farthing.ledger import engine, journal
from farthing.ledger.journal import Adopted, Journal, Segment
from farthing.ledger.workspace import Workspace
from tests.unit.ledger.calls import CENT, call, name, seen


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


def test_a_settled_call_is_seen_at_once(workspace: Workspace) -> None:
    with Journal(workspace) as writing:
        writing.settle(call(1, effective_usd=CENT))
        assert seen(workspace) == [(name(1), "ok", Decimal("0.01"))]


def test_an_intent_is_no_cost_until_it_is_settled(workspace: Workspace) -> None:
    with Journal(workspace) as writing:
        writing.intent(call(1), CENT)
        assert seen(workspace) == []
        writing.settle(call(1, effective_usd=Money.of("0.002")))
        assert seen(workspace) == [(name(1), "ok", Decimal("0.002"))]


text = st.text(st.characters(codec="utf-8"), max_size=20)
times = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
money = st.none() | st.integers(-(10**17), 10**17).map(Money)
any_call = st.builds(
    Call,
    id=st.integers(0, 2**128 - 1).map(name),
    attempt=st.integers(0, 9),
    revision=st.integers(0, 9),
    booked_at=st.none() | times,
    time=times,
    source=text,
    provider=st.none() | text,
    tags=st.none() | text,
    input_fresh=st.integers(-(2**63), 2**63 - 1),
    list_usd=money,
    effective_usd=money,
    status=st.sampled_from(STATUSES),
    latency_ms=st.none() | st.integers(0, 10**9),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(any_call, unique_by=lambda each: (each.id, each.attempt, each.revision)))
def test_every_call_is_read_back_as_it_was_written(written: list[Call]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(folder)
        with Journal(workspace) as writing:
            for each in written:
                writing.settle(each)
            assert [entry.call for entry in journal.replay(workspace, {})] == written
        columns = "id, attempt, revision, epoch_us(booked_at), epoch_us(time), source, provider, "
        columns += "tags, input_fresh, list_usd, effective_usd, status, latency_ms"
        rows = engine.connect(workspace, threads=1).sql(f"SELECT {columns} FROM calls").fetchall()
        assert sorted(rows, key=str) == sorted(map(_as_row, written), key=str)


def _as_row(each: Call) -> tuple[object, ...]:
    return (
        each.id,
        each.attempt,
        each.revision,
        _micros(each.booked_at),
        _micros(each.time),
        each.source,
        each.provider,
        each.tags,
        each.input_fresh,
        None if each.list_usd is None else each.list_usd.decimal,
        None if each.effective_usd is None else each.effective_usd.decimal,
        each.status,
        each.latency_ms,
    )


def _micros(when: datetime | None) -> int | None:
    if when is None:
        return None
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 10**6 + since.microseconds


def test_a_full_segment_is_sealed_and_the_next_begins_with_the_open_intents(
    workspace: Workspace,
) -> None:
    with Journal(workspace, rotate_bytes=500) as writing:
        writing.intent(call(0), CENT)
        for number in range(1, 30):
            writing.intent(call(number), CENT)
            writing.settle(call(number, effective_usd=CENT))
        found = journal.segments(workspace)
        assert len(found) > 3
        assert journal.sealed(workspace, found) == found[:-1]
        first = next(journal.read(found[-1]))
        assert (first.call.id, first.settled, first.hold) == (name(0), False, CENT)
    assert len(seen(workspace)) == 29


def test_an_old_segment_is_sealed_though_nobody_writes(workspace: Workspace) -> None:
    with Journal(workspace, rotate_seconds=0.05, sync_seconds=0.01) as writing:
        writing.settle(call(1))
        _until(lambda: len(journal.segments(workspace)) == 2)
        time.sleep(0.1)
        assert len(journal.segments(workspace)) == 2, "an empty segment needs no successor"


def test_threads_share_a_journal(workspace: Workspace) -> None:
    with Journal(workspace, rotate_bytes=2000) as writing:

        def write(start: int) -> None:
            for number in range(start, start + 200):
                writing.intent(call(number), CENT)
                writing.settle(call(number, effective_usd=CENT))

        threads = [threading.Thread(target=write, args=(n * 1000,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rows = seen(workspace)
    assert len(rows) == 800
    assert sum(cost for _, _, cost in rows) == 8


def test_a_line_is_on_the_disk_before_the_call_returns_where_that_is_asked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (synced.append(file), real(file))[1])
    with Journal(workspace, fsync="always", sync_seconds=60) as writing:
        synced.clear()  # the set's own folder was synced first
        writing.intent(call(1), CENT)
        writing.settle(call(1))
        assert len(synced) == 2


def test_lines_reach_the_disk_in_the_background(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (synced.set(), real(file))[1])
    with Journal(workspace, sync_seconds=0.01) as writing:
        writing.settle(call(1))
        assert synced.wait(5)


def test_a_failing_disk_stops_the_journal(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: int) -> None:
        raise OSError(5, "Input/output error")

    writing = Journal(workspace, sync_seconds=0.01)
    monkeypatch.setattr(os, "fdatasync", fail)
    writing.settle(call(1))

    def fails() -> bool:
        try:
            writing.settle(call(2))
        except FarthingError as error:
            return "Input/output error" in str(error)
        return False

    _until(fails)
    monkeypatch.undo()
    writing.close()


def test_a_closed_journal_takes_nothing_more(workspace: Workspace) -> None:
    writing = Journal(workspace)
    writing.close()
    writing.close()
    with pytest.raises(Defect, match="closed"):
        writing.settle(call(1))


def test_a_live_set_is_left_to_its_writer(workspace: Workspace) -> None:
    with Journal(workspace) as writing:
        writing.intent(call(1), CENT)
        assert journal.adopt(workspace) == Adopted(0, 0)


def test_what_a_dead_process_left_open_is_booked_at_its_hold_once(workspace: Workspace) -> None:
    writing = Journal(workspace, rotate_bytes=400)
    writing.intent(call(1, team="search", flags="clamped"), CENT)
    writing.intent(call(2), None)
    for number in range(3, 20):
        writing.intent(call(number), CENT)
        writing.settle(call(number, effective_usd=Money.of("0.001")))
    writing.close()

    assert journal.adopt(workspace) == Adopted(1, 2)
    assert journal.adopt(workspace) == Adopted(0, 0)
    con = engine.connect(workspace)
    columns = "id, team, status, flags, list_usd, contracted_usd, effective_usd"
    rows = con.sql(f"SELECT {columns} FROM calls WHERE status <> 'ok' ORDER BY id").fetchall()
    cent = CENT.decimal
    assert rows == [
        (name(1), "search", "recovered", "clamped,recovered", cent, cent, cent),
        (name(2), None, "recovered", "recovered,unpriced", None, None, None),
    ]
    assert con.sql("SELECT count(*) FROM calls").fetchall() == [(19,)]


def test_every_attempt_of_a_call_is_recovered_by_itself(workspace: Workspace) -> None:
    writing = Journal(workspace)
    writing.intent(call(1, attempt=1), CENT)
    writing.intent(call(1, attempt=2), CENT)
    writing.settle(call(1, attempt=1, status="error"))
    writing.close()
    journal.adopt(workspace)
    assert sorted(status for _, status, _ in seen(workspace)) == ["error", "recovered"]


def test_a_torn_last_line_is_skipped_then_cut_off(workspace: Workspace) -> None:
    segment = _dead(workspace, [call(1, effective_usd=CENT)])
    with segment.path.open("ab") as file:
        file.write(b'{"line":"call","id":"00')
    assert seen(workspace) == [(name(1), "ok", CENT.decimal)]
    assert [entry.call.id for entry in journal.read(segment)] == [name(1)]
    journal.adopt(workspace)
    assert segment.path.read_bytes().endswith(b"}\n")
    assert seen(workspace) == [(name(1), "ok", CENT.decimal)]


@pytest.mark.parametrize("broken", [b"\0" * 40, b'{"line":"call","id":', b"\xff\xfe", b"{}"])
def test_lines_that_a_power_cut_broke_are_set_aside(workspace: Workspace, broken: bytes) -> None:
    segment = _dead(workspace, [call(1, effective_usd=CENT), call(2, effective_usd=CENT)])
    first, second = segment.path.read_bytes().splitlines()
    segment.path.write_bytes(first + b"\n" + broken + b"\n" + second + b"\n")
    journal.adopt(workspace)
    assert [identity for identity, _, _ in seen(workspace)] == [name(1), name(2)]
    (aside,) = workspace.quarantine.iterdir()
    assert aside.read_bytes() == broken + b"\n"


def test_a_reader_says_which_journal_it_cannot_read_and_what_to_do(workspace: Workspace) -> None:
    segment = _dead(workspace, [call(1)])
    segment.path.write_bytes(b'{"line":"call","id":\n')
    with pytest.raises(FarthingError, match="farthing compact"):
        seen(workspace)


def test_a_line_that_was_written_twice_counts_once(workspace: Workspace) -> None:
    _dead(workspace, [call(1, effective_usd=CENT)] * 2)
    _dead(workspace, [call(1, effective_usd=CENT)])
    assert seen(workspace) == [(name(1), "ok", CENT.decimal)]


def test_a_full_disk_is_said_so_and_tears_nothing(workspace: Workspace) -> None:
    script = """
import resource, sys
from farthing.domain.errors import DiskFull
from farthing.ledger.journal import Journal
from farthing.ledger.workspace import Workspace
from tests.unit.ledger.calls import CENT, call
writing = Journal(Workspace.open(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 6000))
number = 0
try:
    while True:
        writing.settle(call(number, effective_usd=CENT))
        number += 1
except DiskFull as error:
    print(error)
try:
    writing.rotate()
    writing.settle(call(number, effective_usd=CENT))
except DiskFull:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
writing.settle(call(number + 1, effective_usd=CENT))
print(number)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(workspace.root)],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    said, count = done.stdout.splitlines()
    assert "is full" in said
    assert [row[0] for row in seen(workspace)] == [name(n) for n in range(int(count) + 2)]


def test_a_journal_that_cannot_begin_says_why(workspace: Workspace) -> None:
    workspace.journal.rmdir()
    workspace.journal.write_text("")
    with pytest.raises(FarthingError, match="cannot be written"):
        Journal(workspace)


def test_replay_begins_after_a_watermark(workspace: Workspace) -> None:
    with Journal(workspace) as writing:
        writing.settle(call(1))
        writing.rotate()
        writing.settle(call(2))
        entries = journal.replay(workspace, {writing.set: 1})
        assert [entry.call.id for entry in entries] == [name(2)]


def test_the_hot_path_does_not_load_the_query_engine() -> None:
    script = (
        "import sys, farthing.ledger.journal\n"
        "print(sorted({'duckdb', 'deltalake', 'ibis', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def _dead(workspace: Workspace, settled: list[Call]) -> Segment:
    """The segment of a process that was killed after these lines."""
    writing = Journal(workspace)
    for each in settled:
        writing.settle(each)
    writing.close()
    (segment,) = [each for each in journal.segments(workspace) if each.set == writing.set]
    (segment.path.parent / "closed").unlink()
    return segment


def _until(happens: object) -> None:
    assert callable(happens)
    for _ in range(500):
        if happens():
            return
        time.sleep(0.01)
    pytest.fail("It did not happen within five seconds.")
