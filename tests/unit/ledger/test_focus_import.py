"""Bills in FOCUS come in to the last digit, whatever their version and dress."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from farthing.ledger.importers.focus import MANDATORY
from tests.imports import Desk

ROW = {
    "BilledCost": "10.5",
    "BillingAccountId": "acc-1",
    "BillingCurrency": "USD",
    "BillingPeriodEnd": "2026-11-01T00:00:00Z",
    "BillingPeriodStart": "2026-10-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargePeriodEnd": "2026-10-02T00:00:00Z",
    "ChargePeriodStart": "2026-10-01T00:00:00Z",
    "ContractedCost": "11",
    "EffectiveCost": "10.123456789012",
    "ListCost": "12",
    "ProviderName": "Amazon Web Services",
    "ServiceCategory": "Compute",
    "ServiceName": "EC2",
    "ConsumedQuantity": "24",
    "ConsumedUnit": "Hours",
    "Tags": '{"Team": "search", "env": "prod", "app": "x"}',
    "x_Odd": "kept",
}


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def text(*rows: dict[str, str]) -> str:
    lines = [",".join(rows[0])]
    lines += [",".join('"' + v.replace('"', '""') + '"' for v in row.values()) for row in rows]
    return "\n".join(lines) + "\n"


def test_a_bill_keeps_every_digit_and_every_column(desk):
    summary = desk.take_text(text(ROW))
    assert summary.cost_usd == Decimal("10.123456789012")
    assert desk.rows("""
        SELECT list_usd, contracted_usd, effective_usd, billed_usd, account, team, environment,
               describes_calls, grain, json_extract_string(other, '$.x_Odd'), until::VARCHAR
        FROM charges""") == [
        (
            *map(Decimal, ("12", "11", "10.123456789012", "10.5")),
            *("acc-1", "search", "prod", False, "invoice", "kept", "2026-10-02 00:00:00+00"),
        )
    ]


def test_the_same_bill_twice_adds_nothing_and_equal_lines_both_count(desk):
    bill = text(ROW, ROW)
    assert desk.take_text(bill).added == 2
    assert desk.take_text(bill).duplicates == 2


@pytest.mark.parametrize("lacking", [*MANDATORY, "ProviderName"])
def test_a_file_without_a_mandatory_column_is_refused_by_its_name(desk, lacking):
    row = {name: value for name, value in ROW.items() if name != lacking}
    summary = desk.take_text(text(row))
    assert summary.added == 0
    assert f"the FOCUS column {lacking} is missing" in str(summary.refused[0])


def test_spreadsheet_dress_is_taken_off(desk):
    dressed = ROW | {
        "EffectiveCost": "$10,000.50 ",
        "ChargePeriodStart": "10/1/26",
        "ChargePeriodEnd": "11/1/26",
        "ConsumedQuantity": "NULL",
    }
    assert desk.take_text(text(dressed)).cost_usd == Decimal("10000.5")
    assert desk.rows("SELECT time::VARCHAR FROM charges") == [("2026-10-01 00:00:00+00",)]


@pytest.mark.parametrize("odd", ["1.234,56", "ten", "NaN", "1e400"])
def test_an_amount_that_is_none_is_put_aside(desk, odd):
    summary = desk.take_text(text(ROW, ROW | {"EffectiveCost": odd}))
    assert (summary.added, summary.quarantined) == (1, 1)
    assert "EffectiveCost" in summary.problems[0]


def test_an_unknown_currency_is_put_aside(desk):
    summary = desk.take_text(text(ROW, ROW | {"BillingCurrency": "QQQ"}))
    assert (summary.added, summary.quarantined) == (1, 1)
    assert "'QQQ' is not an ISO 4217 currency code" in summary.problems[0]


def test_a_currency_without_a_rate_is_kept_as_billed_and_never_one_to_one(desk):
    desk.take_text(text(ROW | {"BillingCurrency": "EUR"}))
    assert desk.rows("SELECT effective_usd, effective_cost, flags FROM charges") == [
        (None, Decimal("10.123456789012"), "unconverted")
    ]


def test_a_currency_is_converted_at_the_rate_of_its_day(desk):
    desk.configure('currency_rates = "rates.csv"\n')
    (desk.workspace.root / "rates.csv").write_text(
        "date,currency,usd\n2026-10-02,EUR,2\n2026-09-30,EUR,1.1\n"
    )
    later = ROW | {"ChargePeriodStart": "2026-10-03T00:00:00Z", "EffectiveCost": "1"}
    desk.take_text(text(ROW | {"BillingCurrency": "EUR"}, later | {"BillingCurrency": "EUR"}))
    assert desk.rows("SELECT effective_usd FROM charges ORDER BY time") == [
        (Decimal("11.135802467913"),),
        (Decimal("2"),),
    ]


@pytest.mark.parametrize(
    ("unit", "describes"), [("Hours", False), ("Tokens", True), ("1K tokens", True)]
)
def test_lines_that_count_tokens_describe_calls(desk, unit, describes):
    desk.take_text(text(ROW | {"ConsumedUnit": unit}))
    assert desk.rows("SELECT describes_calls FROM charges") == [(describes,)]


@pytest.mark.corpus
def test_the_specifications_samples_come_in_whole(corpus: Path, desk):
    for file in sorted((corpus / "focus").rglob("*.csv")):
        summary = desk.take(file)
        assert (summary.quarantined, summary.refused) == (0, []), file
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = [row for row in csv.DictReader(lines) if row["EffectiveCost"]]
        assert summary.rows == len(rows), file
        if not summary.duplicates:
            plain = (row["EffectiveCost"].strip(" $").replace(",", "") for row in rows)
            expected = sum(Decimal(value).quantize(Decimal("1e-12")) for value in plain)
            assert summary.cost_usd == expected, file
