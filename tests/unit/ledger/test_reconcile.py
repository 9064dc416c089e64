"""Ledger, usage page and invoice stand side by side, and the gap has a reason."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from farthing.domain.money import Money
from farthing.domain.period import month
from farthing.ledger.reconcile import Reconciliation, reconcile
from farthing.views.reconcile import as_json, sentence
from tests.ledgers import NOON, call, charge, ledger

UTC_ZONE = ZoneInfo("UTC")
DAY = datetime(2026, 10, 3, tzinfo=UTC)


def compared(*rows, account=None, zone=UTC_ZONE) -> Reconciliation:
    return reconcile(ledger(*rows), "openai", month("2026-10", zone), zone, account)


def invoice(usd, **fields):
    return charge(usd, **({"describes_calls": True, "model": "gpt-4o"} | fields))


def usage(usd, **fields):
    return invoice(usd, **({"grain": "usage"} | fields))


def test_a_row_says_what_each_side_holds_and_what_is_absent():
    rows = [call("3", project="web"), usage("4", project="web"), invoice("5", project="web")]
    assert as_json(compared(*rows)) == [
        {
            "day": "2026-10-03",
            "provider": "openai",
            "model": "gpt-4o",
            "project": "web",
            "ledger_usd": "3",
            "usage_usd": "4",
            "invoice_usd": "5",
            "difference_usd": "2",
            "reason": "missing traffic",
        }
    ]
    (only_billed,) = as_json(compared(invoice("5")))
    assert (only_billed["ledger_usd"], only_billed["usage_usd"]) == (None, None)
    assert only_billed["difference_usd"] == "5"
    (not_billed,) = as_json(compared(call("3")))
    assert (not_billed["difference_usd"], not_billed["reason"]) == (None, "not billed yet")


def test_without_an_invoice_the_usage_page_is_the_bill():
    (row,) = compared(call("3", input_fresh=9), usage("4", input_fresh=9)).rows
    assert (row.difference, row.reason) == (Money.of(1), "price drift")


def test_a_dated_model_on_the_bill_is_the_model_that_served_the_call():
    (row,) = compared(call("5"), invoice("5", model="gpt-4o-2024-08-06")).rows
    assert (row.model, row.difference) == ("gpt-4o", Money.ZERO)
    served = call("5", model_served="gpt-4o-2024-08-06")
    (row,) = compared(served, invoice("5", model="gpt-4o-2024-08-06")).rows
    assert row.model == "gpt-4o-2024-08-06"


def test_projects_that_nobody_shares_are_not_compared_and_that_is_said():
    found = compared(call("5", project="web"), invoice("5", project="proj_abc"))
    (row,) = found.rows
    assert (row.project, row.differs) == (None, False)
    assert "without projects" in found.notes[0]


def test_a_bill_without_models_is_compared_per_day():
    found = compared(call("5"), call("1", model="o3"), invoice("6", model=None))
    (row,) = found.rows
    assert (row.model, row.difference) == (None, Money.ZERO)
    assert "without models" in found.notes[0]


def test_what_no_call_describes_is_not_compared_but_credits_are():
    storage = charge("9", charge_category="Usage")
    credit = charge("-2", charge_category="Credit", model="gpt-4o")
    (row,) = compared(call("5"), invoice("5"), storage, credit).rows
    assert (row.difference, row.reason) == (Money.of(-2), "credit")


def test_calls_booked_on_the_wrong_side_of_midnight_show_as_timezone():
    tomorrow = timedelta(days=1)
    rows = [call("5"), call("5", time=NOON + tomorrow)]
    bills = [invoice("3"), invoice("7", time=DAY + tomorrow)]
    assert [row.reason for row in compared(*rows, *bills).rows] == ["timezone", "timezone"]


def test_days_are_those_of_the_zone():
    late = call("5", time=DAY.replace(hour=23))
    berlin = compared(late, zone=ZoneInfo("Europe/Berlin"))
    assert [row.day.day for row in berlin.rows] == [4]


def test_a_model_that_the_bill_of_the_day_lacks_differs():
    rows = compared(call("5"), call("1", model="o3"), invoice("5")).rows
    assert [(row.model, str(row.difference), row.reason) for row in rows] == [
        ("gpt-4o", "0", None),
        ("o3", "-1", "extra traffic"),
    ]


def test_an_account_leaves_the_others_out():
    rows = [call("5", account="a"), invoice("5", account="a"), invoice("7", account="b")]
    assert [row.differs for row in compared(*rows, account="a").rows] == [False]


def test_a_billed_tier_shows_in_the_context():
    rows = [call("10", input_fresh=9), usage("5", input_fresh=9, context='{"processing":"batch"}')]
    assert compared(*rows).rows[0].reason == "tier"


def test_tokens_an_invoice_line_counts_are_compared_too():
    line = invoice("12", consumed_quantity=Decimal(900), consumed_unit="Tokens")
    assert compared(call("10", input_fresh=900), line).rows[0].reason == "price drift"


def test_only_calls_of_the_month_and_the_provider_are_compared():
    rows = [call("5", provider="anthropic"), call("5", time=NOON.replace(month=9))]
    assert compared(*rows).rows == ()


def test_the_sentence_tells_the_sum_of_the_differences():
    rows = [call("5"), invoice("8"), invoice("0.001", model="o3")]
    assert sentence(compared(*rows)) == (
        "openai billed $8.00, $3.00 more than the ledger holds, on 1 day; "
        "the largest part is missing traffic."
    )
    assert sentence(compared(call("5"), invoice("5"))) == (
        "openai billed $5.00, and the ledger agrees."
    )
    assert "nothing yet" in sentence(compared(call("5")))
