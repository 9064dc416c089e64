"""OpenAI's usage and cost pages."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.importer import Options, Source
from farthing.ledger.importers.openai_costs import IMPORTER as COSTS
from farthing.ledger.importers.openai_costs import LineItem, read_line_item
from farthing.ledger.importers.openai_usage import IMPORTER as USAGE
from tests.sources import source

USED = {
    "object": "organization.usage.completions.result",
    "input_tokens": 10,
    "output_tokens": 5,
    "num_model_requests": 1,
    "model": "gpt-4.1-2025-04-14",
}


def page(*results: dict[str, Any], **more: Any) -> str:
    bucket = {"object": "bucket", "start_time": 1790812800, "end_time": 1790899200}
    return json.dumps({"object": "page", "data": [{**bucket, "results": list(results)}], **more})


def cost(value: str, **more: Any) -> str:
    said = {"object": "organization.costs.result", "amount": {"currency": "usd"}, **more}
    return page(said).replace('"currency"', f'"value": {value}, "currency"')


def drafts(given: Source, options: Options | None = None) -> list[Draft]:
    rows = list(USAGE.read(given, options or Options()))
    assert all(isinstance(row, Draft) for row in rows), rows
    return [row for row in rows if isinstance(row, Draft)]


def test_a_bucket_that_has_grown_keeps_its_id() -> None:
    [early] = drafts(source(page(USED)))
    [late] = drafts(source(page({**USED, "input_tokens": 999})))
    assert early.source_id == late.source_id
    assert (early.input_total, late.input_total) == (10, 999)


def test_two_equal_groups_of_a_bucket_are_two_rows() -> None:
    first, second = drafts(source(page(USED, USED)))
    assert first.source_id != second.source_id


def test_two_accounts_do_not_share_ids() -> None:
    [one] = drafts(source(page(USED)), Options(account="one"))
    [two] = drafts(source(page(USED)), Options(account="two"))
    assert one.source_id != two.source_id


def test_pages_in_an_array_or_one_a_line_say_the_same() -> None:
    first, second = page(USED), page({**USED, "model": "gpt-4o-2024-08-06"})
    models = ["gpt-4.1-2025-04-14", "gpt-4o-2024-08-06"]
    assert [d.model for d in drafts(source(f"[{first}, {second}]"))] == models
    lines = drafts(source(f"{first}\n{second}\n"))
    assert [d.model for d in lines] == models
    assert [d.line for d in lines] == [1, 2]


def test_a_page_that_is_not_the_last_is_read_with_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A linter that other tests run in process switches off every logger that it finds.
    monkeypatch.setattr(logging.getLogger("farthing.ledger.pages"), "disabled", False)
    with caplog.at_level(logging.WARNING):
        assert len(drafts(source(page(USED, has_more=True, next_page="page_2")))) == 1
    assert "page_2" in caplog.text


def test_writes_of_both_kinds_are_told_apart_where_only_their_sum_is_given() -> None:
    both = {"input_cache_write_tokens": 90, "input_cache_write_12h_tokens": 20}
    [draft] = drafts(source(page({**USED, **both})))
    assert (draft.cache_write_short, draft.cache_write_long) == (70, 20)


def test_audio_tokens_of_older_answers_have_the_cached_ones_in_them() -> None:
    [old] = drafts(source(page({**USED, "input_audio_tokens": 7})))
    [new] = drafts(source(page({**USED, "input_audio_tokens": 7, "input_cached_audio_tokens": 3})))
    assert old.details == {"input_audio_tokens": 7}
    assert new.details == {"input_audio_tokens": 10, "cache_audio_read_tokens": 3}


def test_a_result_of_another_api_is_a_problem() -> None:
    [problem] = USAGE.read(source(page({"object": "organization.costs.result"})), Options())
    assert isinstance(problem, Problem)
    assert problem.field == "object"


@any_of(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**9)))
def test_an_amount_keeps_every_digit_of_the_json(amount: Decimal) -> None:

    [draft] = COSTS.read(source(cost(f"{amount:f}")), Options())
    assert isinstance(draft, Draft)
    assert Decimal(str(draft.billed_cost)) == amount


def test_a_result_without_an_amount_is_a_problem() -> None:
    given = source(page({"object": "organization.costs.result", "amount": None}))
    assert list(COSTS.read(given, Options())) == [Problem(1, "amount.value", "is missing")]


@pytest.mark.parametrize(
    ("said", "item"),
    [
        ("gpt-4o-2024-08-06, input", LineItem("gpt-4o-2024-08-06", "input tokens", None, True)),
        ("gpt-4.1, cached input", LineItem("gpt-4.1", "cached input tokens", None, True)),
        (
            "batch | gpt-4.1, output",
            LineItem("gpt-4.1", "output tokens", {"processing": "batch"}, True),
        ),
        (
            "gpt-image-1 image, output",
            LineItem("gpt-image-1", "image output tokens", None, True),
        ),
        (
            "ft:gpt-4o-2024-08-06:o::x, input",
            LineItem("ft:gpt-4o-2024-08-06:o::x", "input tokens", None, True),
        ),
        ("whisper-1, audio", LineItem("whisper-1", "audio", None, True)),
        ("gpt-4o-2024-08-06, training", LineItem("gpt-4o-2024-08-06", "training", None, False)),
        ("web search tool calls", LineItem(None, "web search tool calls", None, True)),
        ("File search tool calls", LineItem(None, "File search tool calls", None, True)),
        ("Assistants API | Code interpreter", LineItem(None, "Assistants API | Code interpreter")),
        ("Vector storage", LineItem(None, "Vector storage")),
        ("", LineItem(None, "")),
        (None, LineItem(describes_calls=True)),
    ],
)
def test_a_line_item_tells_model_meter_and_whether_a_call_has_it(
    said: str | None, item: LineItem
) -> None:
    assert read_line_item(said) == item


@any_of(st.text())
def test_any_line_item_is_read(said: str) -> None:
    assert read_line_item(said).meter is not None
