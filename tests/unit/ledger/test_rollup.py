"""The rollup's sums are those of the raw rows at any time."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farthing.domain.call import Call
from farthing.domain.money import Money
from farthing.domain.usage import BUCKETS
from farthing.ledger import engine, rollup, schema, table
from farthing.ledger.compact import compact
from farthing.ledger.journal import Journal
from farthing.ledger.workspace import Workspace
from tests.unit.ledger.calls import CENT, call

MONEY = ("list_usd", "contracted_usd", "effective_usd", "counterfactual_usd")
SUMS = ("calls", "rows", "unpriced", *BUCKETS, *MONEY)

Sums = dict[tuple[Any, ...], tuple[Any, ...]]

some_calls = st.lists(
    st.builds(
        Call,
        id=st.integers(0, 2**128 - 1).map("{:032x}".format),
        attempt=st.integers(0, 3),
        revision=st.integers(0, 4),
        time=st.datetimes(
            datetime(2026, 10, 1, 23), datetime(2026, 10, 2, 1), timezones=st.just(UTC)
        ),
        source=st.just("test"),
        model=st.sampled_from([None, "a", "b"]),
        team=st.sampled_from([None, "x"]),
        input_fresh=st.integers(-(10**6), 10**9),
        reasoning=st.integers(-5, 10**9),
        list_usd=st.none() | st.integers(-(10**17), 10**17).map(Money),
        effective_usd=st.none() | st.integers(-(10**17), 10**17).map(Money),
        status=st.sampled_from(["ok", "refused", "error"]),
    ),
    max_size=8,
)
actions = st.sampled_from(["journal", "compact", "update", "table", "charge", "shorten", "again"])


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(actions, some_calls), max_size=6))
def test_its_sums_are_those_of_the_rows_whatever_happened(
    history: list[tuple[str, list[Call]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(folder)
        written: list[Call] = []
        charges = 0
        for action, given_calls in history:
            fresh = [each for each in given_calls if each.id not in {one.id for one in written}]
            fresh = list({each.id: each for each in fresh}.values())
            _act(workspace, action, fresh)
            written += fresh if action in ("journal", "table") else []
            charges += action == "charge"
            assert _by_model(workspace) == _expected(written, charges)


def test_slots_are_quarters_of_an_hour(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    last = datetime(2026, 10, 1, 23, 59, 59, 999999, tzinfo=UTC)
    with Journal(workspace) as writing:
        writing.settle(call(1, time=last))
        writing.settle(call(2, time=last + timedelta(microseconds=1)))
    compact(workspace)
    rollup.update(workspace)
    rows = engine.connect(workspace).sql("SELECT slot::VARCHAR, day::VARCHAR FROM rollup")
    assert sorted(rows.fetchall()) == [
        ("2026-10-01 23:45:00+00", "2026-10-01"),
        ("2026-10-02 00:00:00+00", "2026-10-02"),
    ]


def test_a_correction_does_not_count_the_call_again(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    with Journal(workspace) as writing:
        writing.settle(call(1, input_fresh=7))
        writing.settle(call(1, revision=1, input_fresh=-7))
        writing.settle(call(1, revision=2, input_fresh=7, effective_usd=CENT))
    columns = "sum(calls), sum(rows), sum(unpriced), sum(input_fresh), sum(effective_usd)"
    rows = engine.connect(workspace).sql(f"SELECT {columns} FROM rollup").fetchall()
    assert rows == [(1, 3, 0, 7, CENT.decimal)]


def test_an_update_without_news_writes_nothing(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    _act(workspace, "table", [call(1)])
    assert rollup.update(workspace) == 1
    before = table.snapshot(workspace, rollup.ROLLUP).version
    assert rollup.update(workspace) == 0
    assert table.snapshot(workspace, rollup.ROLLUP).version == before


def test_an_update_reads_only_what_is_new(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    _act(workspace, "table", [call(1, effective_usd=CENT)])
    rollup.update(workspace)
    old = table.files(workspace, schema.CALLS)
    _act(workspace, "table", [call(2, effective_usd=CENT)])
    for file in old:
        Path(file).unlink()
    assert rollup.update(workspace) == 1


@pytest.mark.parametrize("step", ["staged", "moved", "committed"])
def test_an_update_that_breaks_off_changes_no_sum(tmp_path: Path, step: str) -> None:
    def fail(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt

    workspace = Workspace.open(tmp_path)
    written = [call(number, effective_usd=CENT) for number in range(3)]
    _act(workspace, "table", written[:2])
    rollup.update(workspace)
    _act(workspace, "table", written[2:])
    with pytest.raises(KeyboardInterrupt):
        rollup.update(workspace, step=fail)
    assert _by_model(workspace) == _expected(written, 0)
    rollup.update(workspace)
    assert _by_model(workspace) == _expected(written, 0)


def _act(workspace: Workspace, action: str, calls: list[Call]) -> None:
    if action in ("journal", "table"):
        with Journal(workspace) as writing:
            for each in calls:
                writing.settle(each)
    if action in ("compact", "table"):  # as an import does
        compact(workspace)
    if action == "update":
        rollup.update(workspace)
    if action == "charge":
        con = engine.connect(workspace, threads=1)
        table.append(workspace, schema.CHARGES, con.sql(_one_charge()))
    if action == "shorten":  # Delta forgets old versions once there is a checkpoint
        _shorten(workspace)
    if action == "again":  # somebody removed the rollup
        shutil.rmtree(workspace.table_uri("rollup"), ignore_errors=True)


def _one_charge() -> str:
    return f"""
        SELECT * FROM ({schema.CHARGES.empty()}) UNION ALL BY NAME
        SELECT 'c' AS id, 0 AS revision, TIMESTAMPTZ '2026-10-01 00:00:00+00' AS time,
            'bill' AS source, 'invoice' AS grain, true AS describes_calls, 3 AS requests,
            5 AS input_fresh, 0 AS cache_read, 0 AS cache_write_short, 0 AS cache_write_long,
            0 AS output_visible, 0 AS reasoning,
            1.5::DECIMAL(38,12) AS effective_usd, DATE '2026-10-01' AS day
    """


def _shorten(workspace: Workspace) -> None:
    from deltalake import DeltaTable

    log = Path(workspace.table_uri("calls")) / "_delta_log"
    if log.exists():
        DeltaTable(workspace.table_uri("calls")).create_checkpoint()
        # Delta's own clean-up keeps the entry that the checkpoint stands on.
        for entry in sorted(log.glob("*.json"))[:-1]:
            entry.unlink()


def _by_model(workspace: Workspace) -> Sums:
    con = engine.connect(workspace, threads=1)
    sums = ", ".join(f"sum({name})" for name in SUMS)
    key = "epoch(slot)::BIGINT, source, grain, describes_calls, model, team, status"
    rows = con.sql(f"SELECT {key}, {sums} FROM rollup GROUP BY ALL").fetchall()
    return {row[:7]: row[7:] for row in rows}


def _expected(calls: list[Call], charges: int) -> Sums:
    """The same, added up in Python."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(lambda: dict.fromkeys(SUMS, 0))
    for each in calls:
        slot = int(each.time.timestamp()) // 900 * 900
        one = sums[slot, each.source, "call", True, each.model, each.team, each.status]
        once = -1 if each.revision % 2 else 1
        one["rows"] += 1
        one["calls"] += once if each.attempt <= 1 and each.status != "refused" else 0
        one["unpriced"] += once if each.effective_usd is None else 0
        for bucket in BUCKETS:
            one[bucket] += getattr(each, bucket)
        for amount in MONEY:
            one[amount] += (getattr(each, amount) or Money.ZERO).decimal
    result: Sums = {key: tuple(one.values()) for key, one in sums.items()}
    if charges:
        first = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
        key = (first, "bill", "invoice", True, None, None, None)
        one = dict.fromkeys(SUMS, 0) | {"rows": charges, "calls": 3 * charges}
        one |= {"input_fresh": 5 * charges, "effective_usd": Decimal("1.5") * charges}
        result[key] = tuple(one.values())
    return result
