"""Rates that live calls were priced with reach the workspace's price table, each once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from farthing.domain.usage import Usage
from farthing.ledger import price_table, scan, schema, table, used_rates
from farthing.ledger.compact import compact
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from farthing.prices.book import Book, Priced
from farthing.prices.rate import Rate

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


@pytest.fixture
def rates(tmp_path: Path) -> list[Rate]:
    """Those that two calls were priced with, as the gateway finds them."""
    book = Book.load(tmp_path)
    found = []
    for model in ("gpt-4o", "gpt-5"):
        paid = book.price("openai", model, Usage(1_000), NOW)
        assert isinstance(paid, Priced)
        found += [rate for price_id in paid.price_ids if (rate := book.rate(price_id))]
    assert [rate.model for rate in found] == ["gpt-4o", "gpt-5"]
    return found


def _keep(workspace: Workspace, rates: list[Rate]) -> None:
    state = State.open(workspace.root)
    used_rates.keep(state, rates)
    state.close()


def _kept(workspace: Workspace) -> int:
    state = State.open(workspace.root)
    try:
        return len(state.rows("SELECT 1 FROM rates"))
    finally:
        state.close()


def _rows(workspace: Workspace) -> list[tuple[str, str]]:
    held = scan.read_files(schema.PRICES, table.files(workspace, schema.PRICES))
    return scan.bare().sql(f"SELECT price_id, unit FROM ({held}) ORDER BY ALL").fetchall()


def test_compaction_moves_them_whole_and_a_second_one_has_nothing_to_do(
    workspace: Workspace, rates: list[Rate]
) -> None:
    _keep(workspace, rates)
    _keep(workspace, rates)  # a second process that met the same models
    assert _kept(workspace) == len(rates)
    compact(workspace)
    assert _kept(workspace) == 0
    moved = _rows(workspace)
    assert set(moved) == {(rate.price_id, unit) for rate in rates for unit in rate.list}
    assert price_table.known(workspace, scan.bare()) == {rate.price_id for rate in rates}
    compact(workspace)
    assert _rows(workspace) == moved


def test_what_is_in_the_table_already_is_not_added_again(
    workspace: Workspace, rates: list[Rate]
) -> None:
    """As after a kill between writing the table and emptying the state."""
    _keep(workspace, rates)
    assert used_rates.move(workspace, NOW) == len(rates)
    once = _rows(workspace)
    _keep(workspace, rates)
    assert used_rates.move(workspace, NOW) == len(rates)
    assert _rows(workspace) == once
    assert _kept(workspace) == 0


def test_a_damaged_one_stays_and_keeps_none_back(workspace: Workspace, rates: list[Rate]) -> None:
    _keep(workspace, rates)
    state = State.open(workspace.root)
    with state.changing() as connection:
        connection.execute("INSERT INTO rates VALUES ('odd', '{')")
    state.close()
    assert used_rates.move(workspace, NOW) == len(rates)
    assert _kept(workspace) == 1


def test_a_workspace_without_live_calls_needs_no_state(workspace: Workspace) -> None:
    assert used_rates.move(workspace, NOW) == 0
    assert not (workspace.root / "state.db").exists()


def test_a_price_that_the_book_never_gave_has_no_rate(workspace: Workspace) -> None:
    assert Book.load(workspace.root).rate("no-such-price") is None
