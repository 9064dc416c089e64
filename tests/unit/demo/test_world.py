"""What the demo month is said to hold is in it, and the seed decides all of it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.demo.bill import call_price, unseen
from farthing.demo.company import MODELS, PROJECTS, TEAMS
from farthing.demo.world import Plan, build
from farthing.domain.errors import Refused
from farthing.domain.money import Money


def test_the_same_seed_draws_the_same_world(world, plan):
    assert build(plan) == world


def test_another_seed_draws_another_world(world):
    assert build(Plan(seed=2, calls=4_000)).attempts != world.attempts


@pytest.mark.parametrize(
    ("month", "days"), [("2026-02", 28), ("2028-02", 29), ("2026-09", 30), ("2026-12", 31)]
)
def test_every_call_falls_into_the_month(month, days):
    world = build(Plan(calls=1_000, month=month))
    assert len(world.days) == days
    assert {f"{attempt.day:%Y-%m}" for attempt in world.attempts} == {month}


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), calls=st.integers(1_000, 2_500))
def test_there_are_as_many_calls_as_were_asked_for_whatever_the_seed(seed, calls):
    attempts = build(Plan(seed=seed, calls=calls)).attempts
    assert len({attempt.id for attempt in attempts}) == calls
    assert len({(attempt.id, attempt.attempt) for attempt in attempts}) == len(attempts)
    assert all(before.time <= after.time for before, after in pairwise(attempts))


def test_five_models_of_three_providers_serve_six_teams(world):
    assert {attempt.model for attempt in world.attempts} == set(MODELS)
    assert len(MODELS) == 5
    assert len({model.provider for model in MODELS}) == 3
    assert {attempt.team for attempt in world.attempts} == {*TEAMS, None}
    assert len(TEAMS) == 6


def test_a_project_belongs_to_one_team(world):
    owners = {(a.project, a.team) for a in world.attempts if a.project is not None}
    assert owners == set(PROJECTS.items())


def test_about_four_calls_in_a_hundred_are_untagged(world):
    untagged = [attempt for attempt in world.attempts if attempt.team is None]
    assert 0.03 < len(untagged) / len(world.attempts) < 0.05
    assert all(a.project is a.feature is a.customer is a.key is None for a in untagged)


def test_weekends_are_quieter_and_nights_too(world):
    office = [a for a in world.answered if a.team in {"support", "assistant"}]
    ours = [a for a in office if a.session_id != world.loop_session]
    weekends = sum(a.time.isoweekday() > 5 for a in ours)
    nights = sum(a.time.hour < 6 for a in ours)
    assert 2.2 < (len(ours) - weekends) / 22 / (weekends / 9) < 3.7
    assert nights < len(ours) / 20


def test_one_job_runs_at_night_only(world):
    hours = {a.time.hour for a in world.answered if a.feature == "label"}
    assert hours <= set(range(1, 6))


def test_the_month_ends_with_more_calls_than_it_began(world):
    begin, end = (
        sum(a.day.day in days and a.session_id != world.loop_session for a in world.answered)
        for days in (range(1, 15), range(15, 29))
    )
    assert 1.08 < end / begin < 1.30


def test_one_session_repeats_one_call_all_night(world):
    loop = [a for a in world.answered if a.session_id == world.loop_session]
    assert len(loop) == 4_000 * 65 // 1000
    assert (
        len(
            {
                (a.request_hash, a.usage.input_fresh, a.usage.output_visible, a.trace_id)
                for a in loop
            }
        )
        == 1
    )
    assert timedelta(hours=4) < loop[-1].time - loop[0].time < timedelta(hours=5)
    assert {a.time.hour for a in loop} <= set(range(6))


def test_the_day_of_the_loop_costs_several_times_any_other_day(world, book):
    days = Counter()
    for attempt in world.answered:
        days[attempt.day] += call_price(book, attempt).effective.pico
    (loop_day, dearest), (_, second) = days.most_common(2)
    assert loop_day.isoweekday() == 7
    assert dearest > 3 * second


def test_some_log_lines_are_shipped_twice(world):
    twice = [a for a in world.attempts if a.shipped == 2]
    assert 0.002 < len(twice) / len(world.attempts) < 0.01
    assert all(a.status == "ok" for a in twice)


def test_a_retry_belongs_to_the_call_that_failed_before(world):
    failed = {a.id: a for a in world.attempts if a.status == "error"}
    retries = [a for a in world.attempts if a.attempt == 2]
    assert retries
    assert 0.005 < len(failed) / len(world.attempts) < 0.02
    for retry in retries:
        first = failed[retry.id]
        assert first.time <= retry.time
        assert (first.session_id, first.request_hash) == (retry.session_id, retry.request_hash)
        assert first.usage.input_tokens == 0
        assert first.response_id is None


def test_an_answer_has_an_id_of_its_own(world):
    ids = [attempt.response_id for attempt in world.answered]
    assert len(set(ids)) == len(ids)
    assert None not in ids


def test_call_ids_are_version_7_uuids_of_their_time(world):
    for attempt in world.attempts:
        assert attempt.id[12] == "7"
        assert attempt.id[16] in "89ab"
        begun = datetime.fromtimestamp(int(attempt.id[:12], 16) / 1000, UTC)
        assert abs(begun - attempt.time) < timedelta(seconds=8)


def test_some_tokens_are_cached_written_and_reasoned(world):
    used = Counter()
    for attempt in world.answered:
        assert not attempt.usage.suspect
        for bucket in ("cache_read", "cache_write_short", "cache_write_long", "reasoning"):
            used[attempt.model.provider, bucket] += getattr(attempt.usage, bucket)
    assert used["openai", "cache_read"] > 0
    assert used["anthropic", "cache_write_short"] > 0
    assert used["anthropic", "reasoning"] > 0
    assert used["google", "reasoning"] > 0
    # Spans cannot tell 1-hour writes from 5-minute ones.
    assert used["anthropic", "cache_write_long"] == 0


def test_no_prompt_is_so_long_that_its_tokens_cost_more(world):
    assert max(attempt.usage.input_tokens for attempt in world.attempts) < 128_000


def test_the_gpu_is_billed_by_the_second_and_one_line_of_the_cloud_has_no_team(world):
    skus = {line.sku.id: line.sku for line in world.cloud}
    gpu = [line for line in world.cloud if line.sku.id == "p5.4xlarge"]
    assert {sku.team for sku in skus.values()} == {"research", None}
    assert {"Compute", "Storage", "Networking"} == {sku.category for sku in skus.values()}
    assert any(0 < line.quantity < 1 for line in gpu)
    assert all(line.quantity <= 1 for line in gpu)
    for line in world.cloud:
        exact = line.quantity * line.sku.unit_price
        assert abs(line.cost.decimal - exact) <= Money(1).decimal / 2


def test_the_bypassing_job_is_billed_on_three_days_of_the_same_account(world, book):
    assert [one.day.day for one in world.bypasses] == [13, 14, 15]
    seen = {(a.day, a.model.provider) for a in world.answered}
    assert {(one.day, one.model.provider) for one in world.bypasses} <= seen
    assert unseen(world, book) > Money.of("0.1")


def test_without_the_bypassing_job_the_calls_stay_the_same(world):
    closed = build(Plan(calls=4_000, unseen=False))
    assert closed.bypasses == ()
    assert closed.attempts == world.attempts


@pytest.mark.parametrize("month", ["2026-13", "October", "2026-10-01", ""])
def test_what_is_no_month_is_refused(month):
    with pytest.raises(Refused, match="2026-10"):
        build(Plan(month=month))


def test_too_few_calls_are_refused():
    with pytest.raises(Refused, match="at least 1000"):
        build(Plan(calls=10))
