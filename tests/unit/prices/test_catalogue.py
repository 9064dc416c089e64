"""Every machine's price has a date and a source; the user's own rows go over them."""

from datetime import date
from decimal import Decimal

import pytest

from farthing.domain.errors import BadInput
from farthing.prices.catalogue import FILE, Catalogue

OWN = """
[[machine]]
kind = "gpu"
provider = "aws"
region = "us-east-1"
instance = "p5.48xlarge"
accelerator = "H100 SXM 80GB"
count = 8
unit = "instance-hours"
on_demand = "40"
three_year = "22.5"
since = 2026-01-01
source = "our agreement"
"""


def test_every_shipped_row_has_source_date_and_price(tmp_path):
    rows = Catalogue.load(tmp_path).rows
    assert {row.kind for row in rows} >= {
        "gpu",
        "transfer",
        "vector_store",
        "serverless",
        "edge_device",
    }
    for row in rows:
        assert row.source
        assert row.since <= date(2026, 12, 31)
        assert row.prices
    assert len({row.identity for row in rows}) == len(rows)


def test_the_users_row_replaces_the_shipped_one(tmp_path):
    (tmp_path / FILE).write_text(OWN)
    (p5,) = Catalogue.load(tmp_path).named("p5.48xlarge")
    assert p5.prices == {"on_demand": Decimal(40), "three_year": Decimal("22.5")}


def test_a_later_row_holds_from_its_day_on(tmp_path):
    later = OWN.replace('"40"', '"35"').replace("2026-01-01", "2026-06-01")
    (tmp_path / FILE).write_text(OWN + later)
    catalogue = Catalogue.load(tmp_path)

    def price(day: date | None) -> Decimal:
        return next(catalogue.named("p5.48xlarge", day=day)).on_demand

    assert price(date(2026, 5, 31)) == 40
    assert price(date(2026, 6, 1)) == price(None) == 35
    assert list(catalogue.named("p5.48xlarge", day=date(2025, 1, 1))) == []


def test_a_machine_is_found_by_words_and_provider(tmp_path):
    catalogue = Catalogue.load(tmp_path)
    assert {row.provider for row in catalogue.named("h100 sxm")} >= {"aws", "runpod"}
    assert {row.provider for row in catalogue.named("H100", "Azure")} == {"azure"}
    assert list(catalogue.named("")) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('"40"', "40.5"), 'on_demand = "40.5"'),
        (('kind = "gpu"', 'kind = "car"'), "kind is one of"),
        (("since = 2026-01-01", "since = 7"), "since"),
        (('on_demand = "40"\nthree_year = "22.5"\n', ""), "has no price"),
        (('"40"', '"-1"'), "has no price"),
        (("[[machine]]", "[machine]"), "not a list"),
        (('source = "our agreement"', ""), "source"),
        (('"40"', '"40'), "not valid TOML"),
    ],
)
def test_a_wrong_row_is_refused_with_the_fix(tmp_path, change, says):
    (tmp_path / FILE).write_text(OWN.replace(*change))
    with pytest.raises(BadInput) as refused:
        Catalogue.load(tmp_path)
    assert says in str(refused.value)
    assert FILE in str(refused.value)
