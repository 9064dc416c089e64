"""A bucket that has grown since it was imported counts once, with its larger numbers."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farthing.domain.usage import BUCKETS
from farthing.ledger import schema, table
from tests.imports import Desk

MIDNIGHT = 1790812800  # 1 October 2026
SUMS = ", ".join(f"sum({name})" for name in BUCKETS)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def usage(*results: dict[str, Any]) -> str:
    return _page("usage.completions", [{"model": "gpt-4o"} | result for result in results])


def costs(*amounts: str) -> str:
    lines = [
        {"amount": {"value": "AMOUNT", "currency": "usd"}, "line_item": f"gpt-4o, {kind}"}
        for kind in ("input", "output")[: len(amounts)]
    ]
    page = _page("costs", lines)
    for amount in amounts:
        page = page.replace('"AMOUNT"', amount, 1)
    return page


def _page(name: str, results: list[dict[str, Any]]) -> str:
    told = [{"object": f"organization.{name}.result"} | result for result in results]
    bucket = {"object": "bucket", "start_time": MIDNIGHT, "end_time": MIDNIGHT + 86400}
    return json.dumps({"object": "page", "has_more": False, "data": [bucket | {"results": told}]})


def tokens(read: int, said: int, requests: int = 1) -> dict[str, int]:
    return {"input_tokens": read, "output_tokens": said, "num_model_requests": requests}


def total(desk: Desk) -> Decimal:
    found: Decimal = desk.rows("SELECT sum(effective_usd) FROM charges")[0][0]
    return found


def test_a_day_that_was_unfinished_counts_as_it_ended(desk: Desk) -> None:
    desk.take_text(usage(tokens(100, 50, 3)), "noon.json")
    done = desk.take_text(usage(tokens(400, 200, 9)), "evening.json")
    assert (done.rows, done.added, done.corrected, done.duplicates) == (1, 1, 1, 0)
    assert done.cost_usd == Decimal("0.00225")
    rows = desk.rows(
        "SELECT revision, booked_at::VARCHAR, input_fresh, output_visible, requests, effective_usd"
        " FROM charges ORDER BY revision"
    )
    booked = "2026-11-20 12:00:00+00"
    assert rows == [
        (0, None, 100, 50, 3, Decimal("0.00075")),
        (1, booked, -100, -50, -3, Decimal("-0.00075")),
        (2, booked, 400, 200, 9, Decimal("0.003")),
    ]
    assert desk.rows("SELECT sum(calls), sum(effective_usd) FROM rollup") == [(9, Decimal("0.003"))]


def test_the_same_page_again_adds_nothing(desk: Desk) -> None:
    for name, page in (("noon", tokens(100, 50)), ("evening", tokens(400, 200))):
        desk.take_text(usage(page), f"{name}.json")
    before = table.files(desk.workspace, schema.CHARGES)
    done = desk.take_text(usage(tokens(400, 200)), "again.json")
    assert (done.added, done.corrected, done.duplicates) == (0, 0, 1)
    assert table.files(desk.workspace, schema.CHARGES) == before


def test_an_older_page_does_not_undo_a_newer_one(desk: Desk) -> None:
    desk.take_text(usage(tokens(400, 200)), "evening.json")
    done = desk.take_text(usage(tokens(100, 50)), "noon.json")
    assert (done.added, done.corrected, done.duplicates) == (0, 0, 1)
    assert total(desk) == Decimal("0.003")


def test_new_grown_and_known_buckets_may_be_on_one_page(desk: Desk) -> None:
    known, grown, new = ({"project_id": name} for name in ("known", "grown", "new"))
    desk.take_text(usage(known | tokens(100, 50), grown | tokens(100, 50)), "noon.json")
    page = usage(known | tokens(100, 50), grown | tokens(200, 100), new | tokens(300, 150))
    before = table.snapshot(desk.workspace, schema.CHARGES).version
    done = desk.take_text(page, "evening.json")
    assert (done.rows, done.added, done.corrected, done.duplicates) == (3, 2, 1, 1)
    assert table.snapshot(desk.workspace, schema.CHARGES).version == before + 1
    found = desk.rows("SELECT project, sum(input_fresh) FROM charges GROUP BY 1 ORDER BY 2")
    assert found == [("known", 100), ("grown", 200), ("new", 300)]


def test_a_page_with_a_bad_row_corrects_as_well(desk: Desk) -> None:
    desk.take_text(usage(tokens(100, 50)), "noon.json")
    bad = {"project_id": "bad"} | tokens(-1, 5)
    done = desk.take_text(usage(tokens(200, 50), bad), "evening.json")
    assert (done.rows, done.added, done.corrected, done.quarantined) == (2, 1, 1, 1)
    assert desk.rows("SELECT sum(input_fresh) FROM charges") == [(200,)]


def test_a_line_of_an_invoice_grows_by_its_amount(desk: Desk) -> None:
    desk.take_text(costs("1.25", "2.000000000001"), "noon.json")
    done = desk.take_text(costs("1.5", "2.000000000001"), "evening.json")
    assert (done.added, done.corrected, done.duplicates) == (1, 1, 1)
    assert (done.cost_usd, total(desk)) == (Decimal("0.25"), Decimal("3.500000000001"))
    assert desk.take_text(costs("1.25", "2"), "older.json").duplicates == 2


def test_a_credit_that_grows_is_the_larger_without_its_sign(desk: Desk) -> None:
    desk.take_text(costs("-1"), "noon.json")
    assert desk.take_text(costs("-3"), "evening.json").corrected == 1
    assert desk.take_text(costs("-2"), "older.json").corrected == 0
    assert total(desk) == Decimal(-3)


def test_a_search_or_an_image_more_is_more(desk: Desk) -> None:
    for images in (3, 5, 4):
        result = {"images": images, "num_model_requests": 1, "model": "gpt-image-1"}
        desk.take_text(_page("usage.images", [result]), f"{images}.json")
    held = "SELECT details FROM charges ORDER BY revision"
    assert [json.loads(row)["images"] for (row,) in desk.rows(held)] == [3, -3, 5]


steps = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_in_whatever_order_pages_come_the_last_state_counts(data: st.DataObject) -> None:
    grown = accumulate(data.draw(steps), lambda one, more: (one[0] + more[0], one[1] + more[1]))
    states = list(grown)
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        for number, state in enumerate(data.draw(st.permutations(states))):
            desk.take_text(usage(tokens(*state, requests=sum(state))), f"{number}.json")
        read, said = states[-1]
        assert desk.rows(f"SELECT {SUMS} FROM charges") == [(read, 0, 0, 0, said, 0)]
        assert desk.rows("SELECT sum(requests) FROM charges") == [(read + said,)]
        at_list = (read * Decimal("2.5") + said * 10).scaleb(-6)
        assert total(desk) == at_list
        sums = desk.rows("SELECT sum(calls), sum(effective_usd) FROM rollup")
        assert sums == [(read + said, at_list)]
