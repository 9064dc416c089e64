"""Recovered calls are corrected to the bill, once, and nothing is edited."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.money import Money
from farthing.domain.period import month
from farthing.ledger import engine, recovered, table
from farthing.ledger.reconcile import reconcile
from farthing.ledger.recovered import settled
from farthing.ledger.schema import TABLES
from farthing.ledger.workspace import Workspace
from tests.ledgers import call, charge, ledger

UTC_ZONE = ZoneInfo("UTC")
OCTOBER = month("2026-10", UTC_ZONE)
LATER = datetime(2026, 11, 5, tzinfo=UTC)
LOST = {"status": "recovered", "flags": "estimated,recovered", "project": "web"}
ROWS = [
    call("3", input_fresh=10, **LOST),
    call("1", **LOST),
    call("5", project="web"),
    call("9", provider="anthropic", status="recovered"),
    charge("7", describes_calls=True, model="gpt-4o-2024-08-06", project="web"),
]


@pytest.fixture
def workspace(tmp_path):
    found = Workspace.open(tmp_path / "ws")
    rows = ledger(*ROWS)
    for each in TABLES:
        table.append(found, each, rows.sql(f"SELECT * FROM {each.name}"))
    return found


def booked(workspace) -> recovered.Booked:
    with workspace.lock(), engine.connect(workspace) as connection:
        found = reconcile(connection, "openai", OCTOBER, UTC_ZONE)
        return recovered.book(workspace, connection, found, OCTOBER, UTC_ZONE, LATER)


def test_the_difference_is_spread_over_recovered_calls_by_what_was_held(workspace):
    assert booked(workspace) == recovered.Booked(2, Money.of(-2))
    with engine.connect(workspace) as connection:
        (row,) = reconcile(connection, "openai", OCTOBER, UTC_ZONE).rows
        now = connection.execute(
            "SELECT effective_usd, input_fresh, flags FROM calls WHERE revision = 2 ORDER BY 1"
        ).fetchall()
        total = connection.execute("SELECT sum(effective_usd), sum(input_fresh) FROM calls")
        assert total.fetchone() == (16, 10)
    assert (row.difference, row.reason) == (Money.ZERO, None)
    assert [(str(cost.normalize()), tokens) for cost, tokens, _ in now] == [("0.5", 0), ("1.5", 10)]
    assert {flags for *_, flags in now} == {"estimated,reconciled,recovered"}


def test_a_second_run_finds_nothing_to_do(workspace):
    booked(workspace)
    assert booked(workspace) == recovered.Booked(0, Money.ZERO)


def test_no_call_becomes_cheaper_than_nothing():
    assert settled([Money.of(1), Money.of(2)], Money.of(-9)) == [Money.ZERO, Money.ZERO]


@given(st.lists(st.integers(0, 10**14).map(Money), min_size=1), st.integers(0, 10**14).map(Money))
def test_the_new_costs_sum_to_the_bill(held, difference):
    assert Money.sum(settled(held, difference)) == Money.sum(held) + difference
