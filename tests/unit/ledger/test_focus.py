"""The export against the specification's own checks, and back through our importer."""

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from focus_data_toolkit import Mode, convert_to_focus_1_4, detect_focus_schema
from focus_data_toolkit.model.validator import lint_focus_1_4_structure

from farthing.config import Settings
from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.ledger import engine, grain, intake
from farthing.ledger.focus import export
from farthing.ledger.importers.focus import IMPORTER
from farthing.ledger.queries import EVERYTHING, Selection
from farthing.ledger.spend import Spending
from farthing.ledger.workspace import Workspace
from tests.ledgers import NOON, call, charge, ledger, new_id

PRICE = "0123456789abcdef"
PRICES = {
    PRICE: (
        {"input_fresh": 2_500_000_000_000, "cache_read": 1_250_000_000_000, "reasoning": 10**13},
        {"input_fresh": 2_000_000_000_000, "cache_read": 1_000_000_000_000, "reasoning": 8**13},
    )
}
ONE = new_id()
ALL = Selection()
ROWS = [
    call(
        "0.000230000001",
        input_fresh=100,
        cache_read=30,
        list_usd=Money.of("0.0002875"),
        contracted_usd=Money.of("0.00023"),
        price_ids=PRICE,
        team="ads",
        project="web",
        account="acct",
        tags='{"app":"a \\"b\\", c"}',
    ),
    call("0.1", input_fresh=7, output_visible=3, reasoning=5, time=NOON + timedelta(minutes=59)),
    call("0.3", model=None, provider=None, output_visible=1),
    call(None, input_fresh=9, model="unknown"),
    call("5", id=ONE),
    call("-5", id=ONE, revision=1, booked_at=NOON),
    call("6", id=ONE, revision=2, booked_at=NOON, team="ads"),
    charge(
        "12.5",
        service_category="Compute",
        service_name="EC2",
        provider="aws",
        account="123",
        list_cost=Decimal("15"),
        effective_cost=Decimal("12.5"),
        billed_cost=Decimal("12.5"),
        consumed_quantity=Decimal("8"),
        consumed_unit="Hours",
        pricing_quantity=Decimal("8"),
        pricing_unit="Hours",
        sku_price_id="sku-1",
        other='{"ProviderName":"AWS","x_Cluster":"blue","BillingAccountName":"main",'
        '"SkuPriceDetails":"{\\"GpuCount\\": 8}","ListUnitPrice":"1.875",'
        '"ContractedUnitPrice":"1.5625","ServiceSubcategory":"Virtual Machines"}',
    ),
    charge("-2", charge_category="Credit", service_category="Other"),
    charge("3", grain="usage", describes_calls=True, time=datetime(2026, 10, 9, tzinfo=UTC)),
    charge("4", describes_calls=True, time=datetime(2026, 10, 9, tzinfo=UTC)),
    charge("1.1", charge_category="Purchase", commitment_id="ri-1"),
    charge(
        None,
        billing_currency="EUR",
        effective_cost=Decimal("9.99"),
        billed_cost=Decimal("9.99"),
        service_category="Storage",
    ),
]


def written(rows, out: Path, version: str, selection=ALL):
    return export(ledger(*rows), selection, version, out, PRICES)


def lines(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def total(connection: duckdb.DuckDBPyConnection) -> Money:
    grain.settle(connection, Selection())
    return Spending(connection, ZoneInfo("UTC")).by(Selection(), ())[()].cost


def test_a_1_4_export_passes_the_toolkits_checks(tmp_path):
    written(ROWS, tmp_path / "out.csv", "1.4")
    found = lines(tmp_path / "out.csv")
    assert lint_focus_1_4_structure("Cost and Usage", found).messages() == []
    assert detect_focus_schema(found[0].keys()).detected_version == "1.4"


def test_a_1_2_export_is_recognised_and_converts_strictly_to_1_4(tmp_path):
    written(ROWS, tmp_path / "out.csv", "1.2")
    found = lines(tmp_path / "out.csv")
    assert detect_focus_schema(found[0].keys()).detected_version == "1.2"
    converted = convert_to_focus_1_4(found, mode=Mode.STRICT, validate=True)
    assert converted.reports["Cost and Usage"].messages() == []


@pytest.mark.parametrize("version", ["1.2", "1.4"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_export_and_import_give_the_same_cost_to_the_last_digit(tmp_path, version, suffix):
    out = tmp_path / f"out{suffix}"
    before = ledger(*ROWS)
    result = export(before, Selection(), version, out, PRICES)
    workspace = Workspace.open(tmp_path / "back")
    rim = intake.Rim([IMPORTER], lambda: NOON.replace(month=11))
    summary = intake.import_files(workspace, Settings(), rim, [str(out)])
    assert (summary.refused, summary.quarantined, summary.duplicates) == ([], 0, 0)
    after = engine.connect(workspace)
    assert total(after) == total(before) == result.cost
    sums = "SELECT {} FROM charges WHERE describes_calls".format(
        "sum(input_fresh), sum(cache_read), sum(output_visible), sum(reasoning), sum(requests)"
    )
    assert after.execute(sums).fetchone() == (107, 30, 4, 5, 4)
    teams = after.execute(
        "SELECT team, sum(effective_usd) FROM charges WHERE describes_calls GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert teams == [("ads", Decimal("6.000230000001")), (None, Decimal("3.4"))]


def test_every_meter_has_a_line_that_says_what_it_cost(tmp_path):
    written(ROWS[:1], tmp_path / "out.csv", "1.4")
    fresh, cached = lines(tmp_path / "out.csv")
    assert (fresh["SkuMeter"], fresh["ConsumedQuantity"], fresh["ConsumedUnit"]) == (
        "input tokens", "100", "Tokens",
    )  # fmt: skip
    assert (fresh["ListCost"], fresh["ContractedCost"]) == ("0.00025", "0.0002")
    assert (fresh["ListUnitPrice"], fresh["SkuPriceId"]) == ("0.0000025", PRICE)
    assert (cached["SkuMeter"], cached["ListCost"]) == ("cached input tokens", "0.0000375")
    costs = [Decimal(row["EffectiveCost"]) for row in (fresh, cached)]
    assert sum(costs) == Decimal("0.000230000001")
    assert (fresh["x_CallCount"], cached["x_CallCount"]) == ("1", "0")
    assert fresh["Tags"] == '{"app": "a \\"b\\", c", "project": "web", "team": "ads"}'
    assert (fresh["ChargePeriodStart"], fresh["ChargePeriodEnd"]) == (
        "2026-10-03T12:00:00Z", "2026-10-03T13:00:00Z",
    )  # fmt: skip


def test_a_charge_goes_out_with_the_columns_it_came_with(tmp_path):
    written(ROWS, tmp_path / "out.csv", "1.2")
    (row,) = [row for row in lines(tmp_path / "out.csv") if row["ServiceName"] == "EC2"]
    assert row["x_Cluster"] == "blue"
    assert row["SkuPriceDetails"] == '{"GpuCount": 8}'
    assert (row["ProviderName"], row["BillingAccountName"]) == ("AWS", "main")
    assert (row["ListCost"], row["ContractedCost"]) == ("15", "12.5")


def test_what_has_no_price_is_left_out_and_counted_never_written_as_zero(tmp_path):
    result = written(ROWS, tmp_path / "out.csv", "1.4")
    assert result.left_out == 1
    assert not [row for row in lines(tmp_path / "out.csv") if row["x_Model"] == "unknown"]


def test_parquet_has_amounts_as_decimals_and_times_as_times(tmp_path):
    out = tmp_path / "out.parquet"
    written(ROWS, out, "1.4")
    kinds = {
        name: kind
        for name, kind, *_ in duckdb.sql(f"DESCRIBE FROM read_parquet('{out}')").fetchall()
    }
    assert kinds["EffectiveCost"] == "DECIMAL(38,12)"
    assert kinds["ChargePeriodStart"] == "TIMESTAMP WITH TIME ZONE"
    assert list(tmp_path.iterdir()) == [out]


def test_an_empty_ledger_gives_a_file_with_a_header(tmp_path):
    assert written([], tmp_path / "out.csv", "1.2").rows == 0
    assert "EffectiveCost" in (tmp_path / "out.csv").read_text()


def test_an_unknown_version_or_ending_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(Refused, match=r"1\.2 or 1\.4"):
        written([], tmp_path / "out.csv", "1.3")
    with pytest.raises(Refused, match=r"\.csv or \.parquet"):
        written([], tmp_path / "out.xlsx", "1.4")
    with pytest.raises(Refused, match="another --out"):
        written([], tmp_path / "none" / "out.csv", "1.4")


def test_only_the_selection_is_written(tmp_path):
    september = Selection(type(EVERYTHING)(None, datetime(2026, 10, 1, tzinfo=UTC)))
    assert written(ROWS, tmp_path / "out.csv", "1.4", september).rows == 0
