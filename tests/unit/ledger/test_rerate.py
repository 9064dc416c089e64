"""Re-rating leaves the ledger as if today's book had priced every row in the first place."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farthing.domain.money import Money
from farthing.domain.period import Period
from farthing.domain.usage import BUCKETS, Usage
from farthing.domain.where import parse_any
from farthing.ledger import price_table, rollup, schema, table
from farthing.ledger.compact import compact
from farthing.ledger.journal import Journal
from farthing.ledger.queries import Selection
from farthing.ledger.rerate import Rerated, rerate
from farthing.prices.book import Book, Priced
from tests.imports import HEADER, NOW, Desk
from tests.unit.ledger.calls import call
from tests.unit.ledger.test_supersede import costs, tokens, usage

LATER = NOW + timedelta(days=1)
EVERYTHING = Selection()
SUMS = ", ".join(f"sum({name})" for name in BUCKETS)
OFF_17 = '[[prices]]\nprovider = "openai"\ndiscount = "17%"\n'
MID_MONTH = '[[prices]]\nmodel = "gpt-4o*"\nteam = "search"\ndiscount = "17%"\nsince = 2026-10-15\n'
LLAMA = '[[prices]]\nmodel = "our-llama"\ninput_mtok = "0.50"\noutput_mtok = "1.50"\n'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def again(desk: Desk, selection: Selection = EVERYTHING, **options: Any) -> Rerated:
    return rerate(desk.workspace, selection, lambda: LATER, **options)


def versions(desk: Desk) -> list[int]:
    kinds = (*schema.TABLES, schema.PRICES)
    return [table.snapshot(desk.workspace, kind).version for kind in kinds]


def total(desk: Desk, where: str = "true") -> Decimal:
    found: Decimal = desk.rows(f"SELECT sum(effective_usd) FROM calls WHERE {where}")[0][0]
    return found


def test_a_contract_that_changed_reverses_and_books_anew_to_the_last_digit(desk: Desk) -> None:
    desk.take_text(f"{HEADER}2026-10-01T00:00:00Z,openai,gpt-4o,101,53,search\n")
    desk.configure(OFF_17)
    done = again(desk)
    # 101 at $2.50 and 53 at $10 a million are $0.0007825; less 17% they are $0.000649475.
    assert (done.rows, done.changed, done.unpriced) == (1, 1, 0)
    assert (str(done.reversed), str(done.booked)) == ("0.0007825", "0.000649475")
    assert str(done.difference) == "-0.000133025"
    costs = "revision, booked_at::VARCHAR, input_fresh, output_visible, list_usd, contracted_usd"
    rows = desk.rows(f"SELECT {costs}, effective_usd FROM calls ORDER BY revision")
    later = "2026-11-21 12:00:00+00"
    listed, paid = Decimal("0.0007825"), Decimal("0.000649475")
    assert rows == [
        (0, None, 101, 53, listed, listed, listed),
        (1, later, -101, -53, -listed, -listed, -listed),
        (2, later, 101, 53, listed, paid, paid),
    ]


def test_a_reversal_is_the_row_itself_but_for_its_counts(desk: Desk) -> None:
    desk.take_text(
        "time,provider,model,input_tokens,output_tokens,team,latency_ms,tags,id,attempt\n"
        '2026-10-01T00:00:00Z,openai,gpt-4o,101,53,search,17,"{""app"":""x""}",abc,2\n'
    )
    desk.configure(OFF_17)
    again(desk)
    same = "id, attempt, time::VARCHAR, day, team, latency_ms, tags, source, model, status"
    first, *others = desk.rows(f"SELECT {same} FROM calls ORDER BY revision")
    assert others == [first, first]
    assert first[1] == 2


def test_running_it_twice_adds_nothing(desk: Desk) -> None:
    desk.take_text(f"{HEADER}2026-10-01T00:00:00Z,openai,gpt-4o,101,53,search\n")
    desk.configure(OFF_17)
    again(desk)
    before = versions(desk)
    done = again(desk)
    assert (done.rows, done.changed, done.difference) == (1, 0, Money.ZERO)
    assert versions(desk) == before


def test_where_nothing_changed_nothing_is_written(desk: Desk) -> None:
    desk.take_text(f"{HEADER}2026-10-01T00:00:00Z,openai,gpt-4o,101,53,search\n")
    before = versions(desk)
    assert again(desk).changed == 0
    assert versions(desk) == before


def test_a_dry_run_says_the_same_and_writes_nothing(desk: Desk) -> None:
    desk.take_text(f"{HEADER}2026-10-01T00:00:00Z,openai,gpt-4o,101,53,search\n")
    desk.configure(OFF_17)
    before = versions(desk)
    told = again(desk, dry_run=True)
    assert versions(desk) == before
    done = again(desk)
    assert (told.changed, told.reversed, told.booked) == (done.changed, done.reversed, done.booked)
    assert done.changed == 1


def test_an_unpriced_call_gets_the_price_that_it_was_given(desk: Desk) -> None:
    desk.take_text(f"{HEADER}2026-10-01T00:00:00Z,,our-llama,100,50,search\n")
    assert desk.rows("SELECT effective_usd, flags FROM calls") == [(None, "unpriced")]
    assert again(desk).unpriced == 1
    desk.configure(LLAMA)
    done = again(desk)
    assert (done.changed, done.unpriced) == (1, 0)
    assert (done.reversed, str(done.booked)) == (Money.ZERO, "0.000125")
    rows = desk.rows("SELECT revision, effective_usd, flags FROM calls ORDER BY revision")
    assert rows == [(0, None, "unpriced"), (1, None, "unpriced"), (2, Decimal("0.000125"), None)]
    assert desk.rows("SELECT sum(calls), sum(unpriced) FROM rollup") == [(1, 0)]


def test_a_price_that_is_gone_leaves_the_cost_as_it_was(desk: Desk) -> None:
    desk.configure(LLAMA)
    desk.take_text(f"{HEADER}2026-10-01T00:00:00Z,,our-llama,100,50,search\n")
    desk.configure("")
    assert again(desk).changed == 0
    assert total(desk) == Decimal("0.000125")


def test_a_contract_of_the_middle_of_a_month_changes_what_it_covers_only(desk: Desk) -> None:
    lines = [
        f"2026-10-{day:02}T{hour}Z,openai,gpt-4o,100,50,{team}"
        for day, hour in ((14, "23:59:59"), (15, "00:00:00"), (31, "12:00:00"))
        for team in ("search", "mail")
    ]
    desk.take_text(HEADER + "\n".join(lines) + "\n")
    desk.configure(MID_MONTH)
    assert again(desk).changed == 2
    assert total(desk, "team = 'mail'") == 3 * Decimal("0.00075")
    assert total(desk, "team = 'search'") == Decimal("0.00075") + 2 * Decimal("0.0006225")


def test_only_what_was_asked_for_is_priced_again(desk: Desk) -> None:
    lines = [
        f"2026-10-{day:02}T00:00:00Z,openai,gpt-4o,100,50,{team}"
        for day in (1, 2, 3)
        for team in ("search", "mail")
    ]
    desk.take_text(HEADER + "\n".join(lines) + "\n")
    desk.configure(OFF_17)
    period = Period(datetime(2026, 10, 2, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC))
    done = again(desk, Selection(period, parse_any(["team=search", "team=nobody"])))
    assert (done.rows, done.changed) == (1, 1)
    changed = desk.rows("SELECT DISTINCT day::VARCHAR, team FROM calls WHERE revision = 2")
    assert changed == [("2026-10-02", "search")]


def test_each_further_change_corrects_the_row_in_force(desk: Desk) -> None:
    desk.take_text(f"{HEADER}2026-10-01T00:00:00Z,openai,gpt-4o,100,50,search\n")
    for discount, usd in (("10%", "0.000675"), ("20%", "0.0006"), ("0%", "0.00075")):
        desk.configure(OFF_17.replace("17%", discount))
        assert again(desk).changed == 1
        assert total(desk) == Decimal(usd)
    assert desk.rows("SELECT max(revision), count(*), sum(input_fresh) FROM calls") == [(6, 7, 100)]


def test_what_the_provider_says_it_charged_still_wins(desk: Desk) -> None:
    desk.take_text(
        "time,provider,model,input_tokens,output_tokens,reported_usd\n"
        "2026-10-01T00:00:00Z,openai,gpt-4o,100,50,0.5\n",
        columns={"reported_usd": "reported_usd"},
    )
    desk.configure(OFF_17)
    assert again(desk).difference == Money.ZERO
    rows = desk.rows("SELECT contracted_usd, effective_usd FROM calls WHERE revision = 2")
    assert rows == [(Decimal("0.0006225"), Decimal("0.5"))]


def test_a_usage_page_is_priced_again_and_an_invoice_is_not(desk: Desk) -> None:
    desk.take_text(usage(tokens(100, 50, 3)), "usage.json")
    desk.take_text(costs("1.25"), "costs.json")
    desk.configure(OFF_17)
    done = again(desk)
    assert (done.rows, done.changed, str(done.difference)) == (1, 1, "-0.0001275")
    of_page = "SELECT sum(requests), sum(input_fresh), sum(effective_usd), count(*) FROM charges"
    assert desk.rows(f"{of_page} WHERE grain = 'usage'") == [(3, 100, Decimal("0.0006225"), 3)]
    assert desk.rows(f"{of_page} WHERE grain = 'invoice'")[0][2:] == (Decimal("1.25"), 1)
    assert again(desk).changed == 0


def test_a_page_that_grows_after_it_was_rerated_corrects_the_row_in_force(desk: Desk) -> None:
    desk.take_text(usage(tokens(100, 50)), "noon.json")
    desk.configure(OFF_17)
    again(desk)
    assert desk.take_text(usage(tokens(100, 50)), "again.json").duplicates == 1
    assert desk.take_text(usage(tokens(200, 100)), "evening.json").corrected == 1
    held = "SELECT max(revision), sum(input_fresh), sum(effective_usd) FROM charges"
    assert desk.rows(held) == [(4, 200, Decimal("0.001245"))]
    assert again(desk).changed == 0


def test_a_call_booked_at_its_hold_is_not_priced(desk: Desk) -> None:
    writing = Journal(desk.workspace)
    writing.intent(call(1, provider="openai", model="gpt-4o"), Money.of("0.5"))
    writing.close()
    compact(desk.workspace)
    desk.configure(OFF_17)
    assert again(desk).rows == 0
    assert total(desk) == Decimal("0.5")


def test_a_call_that_is_still_in_the_journal_is_corrected_in_the_table(desk: Desk) -> None:
    with Journal(desk.workspace) as writing:
        writing.settle(
            call(
                1,
                provider="openai",
                model="gpt-4o",
                input_fresh=100,
                output_visible=50,
                **dict.fromkeys(
                    ("list_usd", "contracted_usd", "effective_usd"), Money.of("0.00075")
                ),
            )
        )
        desk.configure(OFF_17)
        assert again(desk).changed == 1
        assert again(desk).changed == 0
        assert total(desk) == Decimal("0.0006225")
    compact(desk.workspace)
    assert again(desk).changed == 0
    assert total(desk) == Decimal("0.0006225")
    assert desk.rows("SELECT count(*), sum(input_fresh) FROM calls") == [(3, 100)]


def test_the_rates_of_a_correction_are_remembered(desk: Desk) -> None:
    desk.take_text(f"{HEADER}2026-10-01T00:00:00Z,openai,gpt-4o,100,50,search\n")
    desk.configure(OFF_17)
    again(desk)
    with desk.ledger() as connection:
        known = price_table.known(desk.workspace, connection)
    used = {price for (price,) in desk.rows("SELECT DISTINCT price_ids FROM calls")}
    assert len(used) == 2
    assert used <= known


counts = st.integers(0, 300_000)
rows = st.lists(
    st.tuples(
        st.sampled_from(["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro", "our-llama", "no-such"]),
        st.integers(1, 31),
        st.sampled_from(["search", "mail"]),
        counts,
        counts,
    ),
    min_size=1,
    max_size=12,
)
contracts = st.lists(
    st.sampled_from([MID_MONTH, LLAMA, OFF_17, OFF_17.replace("openai", "anthropic")]),
    unique=True,
).map("".join)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows, contracts, contracts)
def test_the_ledger_then_says_what_the_book_says_of_every_call(
    calls: list[tuple[str, int, str, int, int]], before: str, after: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        lines = [
            f"2026-10-{day:02}T12:00:00Z,{model},{read},{said},{team}\n"
            for model, day, team, read, said in calls
        ]
        desk.configure(before)
        desk.take_text("time,model,input_tokens,output_tokens,team\n" + "".join(lines))
        desk.configure(after + before)  # nothing loses its price, much gets another
        issued = total(desk)
        done = again(desk)
        book = Book.load(desk.workspace.root)
        expected = Money.ZERO
        for model, day, team, read, said in calls:
            when = datetime(2026, 10, day, 12, tzinfo=UTC)
            usage = Usage(input_fresh=read, output_visible=said)
            answer = book.price(None, model, usage, when, who={"team": team})
            expected += answer.contracted if isinstance(answer, Priced) else Money.ZERO
        assert Money.of(total(desk) or 0) == expected
        assert Money.of(issued or 0) + done.difference == expected
        tokens = sum(call[3] for call in calls), sum(call[4] for call in calls)
        assert desk.rows("SELECT sum(input_fresh), sum(output_visible) FROM calls") == [tokens]
        for _ in ("from the raw rows", "as brought up to date"):
            # Where nothing has a price the rollup holds 0, and counts it as unpriced beside it.
            dollars = "coalesce(sum(effective_usd), 0)"
            summed = desk.rows(f"SELECT sum(calls), {SUMS}, {dollars} FROM rollup")
            by_row = "sum(if(revision % 2 = 1, -1, 1))"
            assert summed == desk.rows(f"SELECT {by_row}, {SUMS}, {dollars} FROM calls")
            rollup.update(desk.workspace)
        assert again(desk).changed == 0
