"""Shares are exact and sticky, hours are local, failing providers wait, warm caches are kept."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.policy.policy import DEFAULT, Affinity, Health, parse
from farthing.policy.rules.affinity import Affinity as Placing
from farthing.policy.rules.health import Health as Watch
from farthing.policy.rules.route import Router
from farthing.policy.rules.target import Target

SERVED = {
    "big": ("a",),
    "small": ("a",),
    "medium": ("b",),
    "pool": ("a", "b", "c"),
    "org/open": ("b",),
}


def router(text="", served=SERVED):
    providers = {name for names in served.values() for name in names}
    return Router(parse(text), providers, lambda model: served.get(model, ()))


def choose(routes, model="big", unit="s1", now=0.0, prefix=b"", watch=None, placing=None, **facts):
    watch, placing = watch or Watch(DEFAULT.health), placing or Placing(DEFAULT.affinity)
    return routes.choose({"model": model, **facts}, unit, now, watch, placing, lambda: prefix)


def names(choice):
    return [str(target) for target in choice.targets]


def test_without_rules_a_call_goes_where_its_model_is_served():
    assert names(choose(router())) == ["a/big"]
    assert names(choose(router(), "unheard of")) == []
    assert choose(router()) is not None
    routes = router()
    assert choose(routes) is choose(routes)


def test_a_model_may_be_asked_of_one_provider_and_have_a_slash_itself():
    assert names(choose(router(), "b/pool")) == ["b/pool"]
    assert names(choose(router(), "org/open")) == ["b/org/open"]


def test_a_route_moves_calls_that_match():
    routes = router('[[route]]\nfrom = "b*"\nto = "small"\nwhere = "team=search"')
    moved = choose(routes, team="search")
    assert (names(moved), moved.rule, moved.arm) == (["a/small"], 1, None)
    assert names(choose(routes, team="other")) == ["a/big"]
    assert names(choose(routes, "medium", team="search")) == ["b/medium"]


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(0, 10**6))
def test_shares_are_what_was_written(parts, seed):
    routes = router(f'[[route]]\nfrom = "big"\nto = "small"\nshare = {parts / 10_000}')
    calls = 2_000
    moved = sum(choose(routes, unit=f"{seed}/{n}").rule == 1 for n in range(calls))
    share = parts / 10_000
    # Six standard deviations: once in half a billion runs.
    assert abs(moved - share * calls) <= 6 * (share * (1 - share) * calls) ** 0.5


@given(st.text(max_size=20), st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_unit_stays_on_its_side_and_a_larger_share_only_gains(unit, one, other):
    few, many = sorted((one, other))

    def moved(parts):
        routes = router(f'[[route]]\nfrom = "big"\nto = "small"\nshare = {parts / 10_000}')
        first = choose(routes, unit=unit)
        assert first == choose(routes, unit=unit, now=1e9)
        assert first.arm == (None if parts == 10_000 else "to small" if first.rule else "stay")
        return first.rule is not None

    assert moved(few) <= moved(many)
    assert moved(10_000)
    assert not moved(0)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=3), st.text(max_size=20))
def test_routes_of_equal_conditions_share_out_the_same_calls(shares, unit):
    texts = [
        f'[[route]]\nfrom = "big"\nto = "{to}"\nshare = {share / 10_000}'
        for to, share in zip(("small", "medium", "pool"), shares, strict=False)
    ]
    # Adding a route after the others moves nobody that one of them had.
    found = [choose(router("\n".join(texts[:n])), unit=unit).rule for n in range(1, len(texts) + 1)]
    for fewer, more in pairwise(found):
        assert fewer is None or fewer == more


def test_routes_of_different_conditions_draw_independently():
    routes = router(
        '[[route]]\nfrom = "big"\nto = "small"\nshare = 0.5\n'
        '[[route]]\nfrom = "bi*"\nto = "medium"\nshare = 0.5'
    )
    rules = [choose(routes, unit=str(n)).rule for n in range(2000)]
    assert 900 < rules.count(1) < 1100
    assert 400 < rules.count(2) < 600


def test_in_shadow_a_route_moves_nothing_and_tells_what_it_would():
    routes = router('[[route]]\nfrom = "big"\nto = "small"\nmode = "shadow"')
    found = choose(routes)
    assert (names(found), found.rule, found.shadow) == (
        ["a/big"],
        None,
        ((1, ("a", "small"), None),),
    )


def test_a_route_that_leads_nowhere_loses_no_call():
    routes = router(
        '[[route]]\nfrom = "big"\nto = "typo"\n[[fallback]]\nfrom = "big"\nto = ["small", "tpyo"]'
    )
    found = choose(routes)
    assert (names(found), found.rule) == (["a/big", "a/small"], None)


@given(
    st.sampled_from(["Europe/Berlin", "UTC", "Asia/Kolkata", "America/New_York"]),
    st.integers(0, 4_000_000_000),
    st.integers(0, 1439),
    st.integers(0, 1439),
)
def test_hours_are_those_of_their_zone(zone, now, start, end):
    if start == end:
        return
    hours = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    routes = router(
        f'[[route]]\nfrom = "big"\nto = "small"\nhours = "{hours}"\ntimezone = "{zone}"'
    )
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    inside = start <= minute < end if start < end else minute >= start or minute < end
    assert (choose(routes, now=now).rule == 1) == inside


def test_day_and_night_may_each_have_all_calls():
    routes = router(
        '[[route]]\nfrom = "big"\nto = "small"\nhours = "08:00-20:00"\n'
        '[[route]]\nfrom = "big"\nto = "medium"\nhours = "20:00-08:00"'
    )
    assert names(choose(routes, now=12 * 3600)) == ["a/small"]
    assert names(choose(routes, now=23 * 3600)) == ["b/medium"]


def test_a_fallback_comes_after_and_names_nobody_twice():
    routes = router('[[fallback]]\nfrom = "big"\nto = ["medium", "a/big", "small"]')
    assert names(choose(routes)) == ["a/big", "b/medium", "a/small"]
    routes = router(
        '[[route]]\nfrom = "big"\nto = "small"\n[[fallback]]\nfrom = "small"\nto = ["medium"]'
    )
    assert names(choose(routes)) == ["a/small", "b/medium"]
    routes = router(
        '[[route]]\nfrom = "big"\nto = "b/pool"\n[[fallback]]\nfrom = "pool"\nto = ["small"]'
    )
    assert names(choose(routes)) == ["b/pool", "a/small"]


def test_a_target_that_fails_waits_behind_its_stand_ins_and_comes_back():
    routes = router('[[fallback]]\nfrom = "big"\nto = ["medium"]')
    watch = Watch(Health(eject_after=2, eject_seconds=30))
    big = Target("a", "big")
    watch.failed(big, 0)
    assert names(choose(routes, watch=watch)) == ["a/big", "b/medium"]
    watch.failed(big, 1)
    assert watch.is_out(big, 2)
    assert names(choose(routes, now=2, watch=watch)) == ["b/medium", "a/big"]
    assert names(choose(routes, now=31, watch=watch)) == ["a/big", "b/medium"]
    watch.failed(big, 32)
    assert watch.is_out(big, 33), "the first failure after its time puts it out again"
    watch.answered(big, 0.5)
    assert not watch.is_out(big, 34)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_health_reorders_and_never_leaves_out(events):
    watch = Watch(Health(eject_after=1, slow=2))
    pool = tuple(Target(provider, "pool") for provider in "abc")
    for now, (provider, well) in enumerate(events):
        target = Target(provider, "pool")
        watch.answered(target, 0.1) if well else watch.failed(target, now)
        ordered = watch.order(pool, now)
        assert sorted(ordered) == list(pool)
        out = [watch.is_out(target, now) for target in ordered]
        assert out == sorted(out)


def test_a_slow_target_comes_after_fast_ones_of_its_model_only():
    watch = Watch(Health(slow=3))
    watch.answered(Target("a", "pool"), 0.9)
    watch.answered(Target("b", "pool"), 0.2)
    routes = router('[balance]\nmode = "off"\n[[fallback]]\nfrom = "pool"\nto = ["small"]')
    watch.answered(Target("a", "small"), 0.01)
    found = names(choose(routes, "pool", watch=watch))
    assert found == ["b/pool", "c/pool", "a/pool", "a/small"]


def test_without_balance_the_first_of_the_file_comes_first():
    routes = router('[balance]\nmode = "off"')
    found = {tuple(names(choose(routes, "pool", unit=str(n)))) for n in range(50)}
    assert found == {("a/pool", "b/pool", "c/pool")}


@given(st.binary(min_size=1, max_size=50), st.text(max_size=5), st.text(max_size=5))
def test_equal_beginnings_go_to_one_provider_whoever_asks(prefix, one, other):
    routes = router()
    first = choose(routes, "pool", unit=one, prefix=prefix)
    assert first.targets == choose(routes, "pool", unit=other, prefix=prefix).targets


def test_beginnings_spread_evenly_and_by_weight():
    pool = tuple(Target(provider, "m") for provider in "abcd")
    calls = 4000
    even = Placing(DEFAULT.affinity)
    first = [even.order(pool, even.point(b"%d" % n, ""), 0)[0].provider for n in range(calls)]
    assert all(abs(first.count(one) - 1000) < 170 for one in "abcd")
    heavy = Placing(DEFAULT.affinity, {"a": 5, "b": 3, "c": 2, "d": 0})
    first = [heavy.order(pool, heavy.point(b"%d" % n, ""), 0)[0].provider for n in range(calls)]
    for one, weight in {"a": 5, "b": 3, "c": 2, "d": 0}.items():
        assert abs(first.count(one) - calls * weight / 10) < 190 * (weight > 0) + 1


@given(st.integers(0, 2**32 - 1), st.sets(st.sampled_from("abcdefg"), min_size=2))
def test_a_provider_that_leaves_moves_only_its_own_calls(point, providers):
    placing = Placing(DEFAULT.affinity)
    pool = tuple(Target(provider, "m") for provider in sorted(providers))
    ranked = placing.order(pool, point, 0)
    for gone in pool:
        left = placing.order(tuple(target for target in pool if target != gone), point, 0)
        assert left == tuple(target for target in ranked if target != gone)


def test_who_had_to_move_stays_where_the_cache_is_warm_now_and_goes_back_when_it_is_cold():
    placing, watch = Placing(Affinity(minutes=10)), Watch(Health(eject_after=1, eject_seconds=30))
    routes = router()
    home = choose(routes, "pool", prefix=b"system", placing=placing, watch=watch)
    watch.failed(home.targets[0], 0)
    away = choose(routes, "pool", prefix=b"system", now=1, placing=placing, watch=watch)
    assert away.targets[0] == home.targets[1]
    placing.went(away.point, away.targets[0], 1)

    def first(now):
        found = choose(routes, "pool", prefix=b"system", now=now, placing=placing, watch=watch)
        return found.targets[0]

    assert first(100) == away.targets[0]
    assert first(602) == home.targets[0]


def test_without_affinity_sessions_are_spread():
    placing = Placing(Affinity(mode="off"))
    routes = router()
    found = {
        choose(routes, "pool", unit=str(n), prefix=b"same", placing=placing).targets[0]
        for n in range(50)
    }
    assert len(found) == 3


@pytest.mark.parametrize("unit", ["", "\N{SNOWMAN}", "x" * 10_000])
def test_any_session_name_will_do(unit):
    assert choose(router('[[route]]\nfrom = "*"\nto = "small"\nshare = 0.5'), unit=unit).targets


def test_off_a_route_moves_nothing_and_keeps_its_part_of_the_calls():
    def text(mode):
        return (
            f'[[route]]\nfrom = "big"\nto = "small"\nshare = 0.3\nmode = "{mode}"\n'
            '[[route]]\nfrom = "big"\nto = "medium"\nshare = 0.3'
        )

    def rules(mode):
        return [choose(router(text(mode)), unit=str(n)).rule for n in range(200)]

    assert rules("off") == [None if rule == 1 else rule for rule in rules("on")]
    alone = choose(router('[[route]]\nfrom = "big"\nto = "small"\nmode = "off"'))
    assert (alone.rule, alone.arm, alone.shadow) == (None, None, ())


def test_stand_ins_in_shadow_are_not_asked_and_told():
    text = '[[fallback]]\nfrom = "big"\nto = ["medium"]\nmode = "{}"'
    shadow, off = (choose(router(text.format(mode))) for mode in ("shadow", "off"))
    assert (names(shadow), shadow.spare) == (["a/big"], True)
    assert (names(off), off.spare) == (["a/big"], False)


def test_health_in_shadow_reorders_nothing_and_tells_what_it_would():
    routes = router('[balance]\nmode = "off"\n[health]\nmode = "shadow"')
    watch = Watch(Health(mode="shadow", eject_after=1))
    well = choose(routes, "pool", watch=watch)
    watch.failed(Target("a", "pool"), 0)
    ill = choose(routes, "pool", now=1, watch=watch)
    assert well.targets == ill.targets
    assert (well.shadows, ill.shadows) == ((), ("health",))
    watch.failed(Target("b", "pool"), 0)
    assert choose(routes, "pool", now=100, watch=watch).shadows == ()


def test_off_health_remembers_nothing():
    watch = Watch(Health(mode="off", eject_after=1))
    watch.failed(Target("a", "pool"), 0)
    assert not watch.is_out(Target("a", "pool"), 0)


def test_affinity_in_shadow_spreads_sessions_and_tells_who_would_go_elsewhere():
    routes = router('[affinity]\nmode = "shadow"')
    placing = Placing(Affinity(mode="shadow"))
    home = choose(router(), "pool", prefix=b"system").targets[0]
    found = [
        choose(routes, "pool", unit=str(n), prefix=b"system", placing=placing) for n in range(60)
    ]
    assert len({each.targets[0] for each in found}) == 3
    assert all((each.shadows == ()) == (each.targets[0] == home) for each in found)


def test_balance_in_shadow_keeps_the_order_and_tells_who_would_go_elsewhere():
    routes = router('[balance]\nmode = "shadow"')
    for n in range(60):
        there = choose(router(), "pool", unit=str(n)).targets[0]
        found = choose(routes, "pool", unit=str(n))
        assert names(found)[0] == "a/pool"
        assert found.shadows == (() if there.provider == "a" else ("balance",))


@given(st.integers(0, 4_000_000_000), st.integers(0, 6), st.integers(0, 6))
def test_days_are_those_of_their_zone(now, first, last):
    names_ = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    routes = router(
        f'[[route]]\nfrom = "big"\nto = "small"\ndays = "{names_[first]}-{names_[last]}"\n'
        'timezone = "America/New_York"'
    )
    day = datetime.fromtimestamp(now, ZoneInfo("America/New_York")).weekday()
    inside = first <= day <= last if first <= last else day >= first or day <= last
    assert (choose(routes, now=now).rule == 1) == inside


@pytest.mark.parametrize(
    ("local", "holds"),
    [
        ("2026-11-27T21:59", False),  # a Friday
        ("2026-11-27T22:00", True),
        ("2026-11-28T05:59", True),  # still Friday's night
        ("2026-11-28T06:00", False),
        ("2026-11-28T22:00", False),
        ("2026-11-23T03:00", False),  # Monday morning: the night began on Sunday
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_began(local, holds):
    routes = router(
        '[[route]]\nfrom = "big"\nto = "small"\ndays = "mon-fri"\nhours = "22:00-06:00"\n'
        'timezone = "Europe/Berlin"'
    )
    now = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    assert (choose(routes, now=now).rule == 1) == holds


@pytest.mark.parametrize(
    ("utc", "holds"),
    [
        # 29 March 2026, Berlin: 02:00 becomes 03:00. The hour from 2 to 3 does not happen.
        ("2026-03-29T00:59", False),
        ("2026-03-29T01:00", False),
        # 25 October 2026: 03:00 becomes 02:00. The hour happens twice, and counts twice.
        ("2026-10-24T23:59", False),
        ("2026-10-25T00:00", True),
        ("2026-10-25T01:59", True),
        ("2026-10-25T02:00", False),
    ],
)
def test_hours_follow_the_clock_on_the_wall_when_it_is_changed(utc, holds):
    routes = router(
        '[[route]]\nfrom = "big"\nto = "small"\nhours = "02:00-03:00"\ntimezone = "Europe/Berlin"'
    )
    now = datetime.fromisoformat(f"{utc}+00:00").timestamp()
    assert (choose(routes, now=now).rule == 1) == holds


def test_a_tier_is_asked_for_by_who_can_wait_or_by_a_filter():
    routes = router('[[route]]\nfrom = "big"\ntier = "flex"')
    patient = choose(routes, can_wait="true")
    assert (names(patient), patient.tier, patient.rule) == (["a/big"], "flex", 1)
    assert choose(routes).tier is None
    routes = router('[[route]]\nfrom = "big"\nto = "small"\ntier = "flex"\nwhere = "team=eval"')
    assert choose(routes, team="eval").tier == "flex"
    assert choose(routes, can_wait="true").tier is None


def test_a_share_at_a_tier_has_an_arm_of_its_own():
    routes = router('[[route]]\nfrom = "big"\ntier = "flex"\nshare = 0.5')
    arms = {choose(routes, unit=str(n), can_wait="true").arm for n in range(50)}
    assert arms == {"at flex", "stay"}


def test_a_tier_in_shadow_is_told():
    routes = router('[[route]]\nfrom = "big"\ntier = "flex"\nmode = "shadow"')
    found = choose(routes, can_wait="true")
    assert (found.tier, found.shadow) == (None, ((1, Target("a", "big"), "flex"),))
