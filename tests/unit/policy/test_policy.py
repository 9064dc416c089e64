"""A policy reads as written, keeps what it does not say, and is refused in words."""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.policy.amounts import WHOLE, Share, Stretch, minutes_of_day
from farthing.policy.policy import DEFAULT, Cache, Policy, parse, read, written

HOME = Path(__file__).parents[3]
WRONG = yaml.safe_load((HOME / "tests/golden/policies.yaml").read_text())
MS = re.MULTILINE | re.DOTALL
PAGE = HOME / "docs/policy.md"


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case["text"].replace("\n", " "))
def test_what_is_wrong_is_named_with_its_place_and_the_fix(case):
    with pytest.raises(Refused) as refused:
        parse(case["text"])
    for words in case["says"]:
        assert words in str(refused.value)
    assert str(refused.value)[-1] in ".?"


def test_a_policy_that_says_nothing_is_the_default():
    assert parse("") == DEFAULT == Policy()
    assert DEFAULT.cache.mode == DEFAULT.coalesce.mode == "deterministic"
    assert [loop.mode for loop in DEFAULT.loops] == ["shadow"]


def test_the_contract_of_the_file_is_read():
    policy = parse(
        '[cache]\nmode = "on"\nttl = "1h"\n[coalesce]\nmode = "shadow"\n'
        '[[route]]\nfrom = "gpt-4o"\nto = "acme/gpt-4o-mini"\nshare = 0.1\nwhere = "team=search"\n'
    )
    (route,) = policy.routes
    assert (policy.cache.mode, policy.cache.ttl, policy.coalesce.mode) == ("on", 3600, "shadow")
    assert (route.of, route.to, route.share) == ("gpt-4o", "acme/gpt-4o-mini", 1000)


def test_tables_of_a_file_read_as_the_text_does():
    text = '[[limit]]\nusd_per_minute = 0.1\n[[route]]\nfrom = "a"\nto = "b"\nshare = 0.0007\n'
    assert read(tomllib.loads(text)) == parse(text)
    assert parse(text).limits[0].usd_per_minute == Money.of("0.1")


def test_a_policy_written_out_reads_back():
    everything = parse(
        '[cache]\nttl = "90m"\n[[route]]\nfrom = "a"\nto = "b"\nshare = 0.0007\n'
        'hours = "22:00-06:00"\n[[fallback]]\nfrom = "a"\nto = ["b"]\n[[limit]]\nper = "tags.x"\n'
        'usd_per_minute = "0.000000000001"\n[[loop]]\ntool_error_ratio = "12.5%"\n'
        '[hold]\nunpriced = "ceiling"\nceiling_usd = 2\n'
    )
    assert written(everything)["cache"]["ttl"] == "90m"
    for policy in (DEFAULT, everything):
        assert read(written(policy)) == policy
        assert read(json.loads(json.dumps(written(policy)))) == policy


def test_naming_a_loop_replaces_the_one_that_only_watches():
    (loop,) = parse("[[loop]]\nusd_per_minute = 5").loops
    assert (loop.same_call, loop.action) == (20, "stop")


def test_a_policy_made_in_code_is_held_to_the_same():
    with pytest.raises(ValueError, match="out of range"):
        Cache(ttl=Stretch(5))


@given(st.integers(0, WHOLE))
def test_a_share_is_exact_however_it_is_written(parts):
    share = Decimal(parts) / WHOLE
    spellings = (str(share), f"{share * 100}%", share, float(share), str(Share(parts)))
    assert {Share.of(written) for written in spellings} == {parts}


@given(st.integers(0, 10**9))
def test_a_stretch_of_time_reads_as_it_prints(seconds):
    assert Stretch.of(str(Stretch(seconds))) == seconds == Stretch.of(seconds)


@given(st.integers(0, 1439), st.integers(0, 1439))
def test_hours_are_minutes_of_the_day(start, end):
    text = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    if start != end:
        assert minutes_of_day(text) == (start, end)


@given(st.text(max_size=60))
def test_any_text_is_a_policy_or_refused(text):
    with suppress(Refused):
        assert isinstance(parse(text), Policy)


@pytest.mark.parametrize("knobs", fields(Policy), ids=lambda field: field.encode_name)
def test_every_knob_is_on_the_page_under_its_table(knobs):
    table = knobs.encode_name
    section = re.search(rf"^## [^\n]*`\[+{table}\]+`.*?(?=^## |\Z)", PAGE.read_text("utf-8"), MS)
    assert section is not None
    kind = knobs.type if isinstance(knobs.type, type) else knobs.type.__args__[0]
    for knob in fields(kind):
        assert f"`{knob.encode_name}`" in section[0], f"{table}.{knob.encode_name}"


def test_the_examples_of_the_page_are_policies():
    examples = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text("utf-8"), MS)
    assert examples
    assert all(isinstance(parse(example), Policy) for example in examples)


@pytest.mark.parametrize(
    ("text", "megabytes"),
    [
        ("", 0),
        ("ttl = '2h'", 0),
        ("mode = 'on'", 256),
        ("mode = 'on'\nmax_disk_mb = 0", 0),
        ("mode = 'on'\nmax_disk_mb = 7", 7),
        ("max_disk_mb = 7", 7),
        ("mode = 'shadow'\nmax_disk_mb = 7", 0),
        ("mode = 'off'\nmax_disk_mb = 7", 0),
    ],
)
def test_answers_reach_the_disk_only_where_somebody_decided_so(text, megabytes):
    assert parse(f"[cache]\n{text}").cache.disk_bytes == megabytes << 20
