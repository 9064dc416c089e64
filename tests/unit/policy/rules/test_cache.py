"""Equal calls share a key, unequal ones never; who may be served from memory is the policy's."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.policy.policy import DEFAULT, Cache, Coalesce
from farthing.policy.rules.cache import Caching, cache_keys, is_telling
from farthing.policy.rules.coalesce import Coalescing, flight_key

DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
FACTS = {"team": "search", "model": "m"}
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = st.dictionaries(st.text(max_size=8), json, max_size=5)


def key(fields, tenant="t", protocol="openai_chat", target="/v1/chat/completions", headers=()):
    body = fields if isinstance(fields, bytes) else msgspec.json.encode(fields)
    return cache_keys(tenant, protocol, target, body, headers)


def turned(value):
    """The same JSON with every object's fields in the opposite order."""
    if isinstance(value, dict):
        return {name: turned(inner) for name, inner in reversed(value.items())}
    return [turned(inner) for inner in value] if isinstance(value, list) else value


@given(bodies)
def test_order_and_white_space_do_not_tell_calls_apart(fields):
    spaced = msgspec.json.format(msgspec.json.encode(turned(fields)), indent=2)
    assert key(fields) == key(spaced)


@given(bodies, bodies)
def test_calls_of_unequal_bodies_have_unequal_keys(one, other):
    same = msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
    assert (key(one, protocol="x") == key(other, protocol="x")) == same


@given(st.lists(st.text(max_size=4), min_size=3, max_size=3), st.data())
def test_parts_do_not_run_into_each_other(parts, data):
    other = data.draw(st.lists(st.text(max_size=4), min_size=3, max_size=3))
    first = cache_keys(*parts, b"{}")
    assert (first == cache_keys(*other, b"{}")) == (parts == other)


@given(st.text(max_size=9), st.text(max_size=9))
def test_no_key_is_shared_across_tenants(one, other):
    assert (key(CHAT, tenant=one) == key(CHAT, tenant=other)) == (one == other)


@pytest.mark.parametrize(
    ("protocol", "field"),
    [
        ("openai_chat", "user"),
        ("openai_chat", "metadata"),
        ("openai_chat", "safety_identifier"),
        ("openai_chat", "prompt_cache_key"),
        ("openai_embeddings", "user"),
        ("anthropic", "metadata"),
    ],
)
def test_who_asks_does_not_change_the_answer(protocol, field):
    assert key({**CHAT, field: "x"}, protocol=protocol) == key(CHAT, protocol=protocol)


@pytest.mark.parametrize("field", ["user", "metadata", "prompt_cache_key", "store"])
def test_the_responses_protocol_repeats_labels_so_they_count(field):
    assert key({**CHAT, field: "x"}, protocol="openai_responses") != (
        key(CHAT, protocol="openai_responses")
    )


@pytest.mark.parametrize("field", ["stream", "store", "service_tier", "seed", "n", "unheard_of"])
def test_whatever_may_change_the_answer_counts(field):
    assert key({**CHAT, field: 1}) != key(CHAT)


def test_a_stored_completion_keeps_its_metadata_apart():
    stored = {**CHAT, "store": True}
    assert key({**stored, "metadata": {"a": "b"}}) != key({**stored, "metadata": {"a": "c"}})


def test_an_answer_is_sealed_with_what_its_place_does_not_tell():
    place, secret = key(CHAT)
    assert len(place) == len(secret) == 32
    assert place != secret
    assert secret != key(CHAT, tenant="u")[1]


def test_telling_headers_count_and_others_are_not_telling():
    assert is_telling(b"anthropic-beta")
    assert is_telling(b"x-sim-output-tokens")
    assert not is_telling(b"authorization")
    one, two = (b"anthropic-beta", b"a"), (b"anthropic-version", b"b")
    assert key(CHAT, headers=[one, two]) == key(CHAT, headers=[two, one])
    assert key(CHAT, headers=[one]) != key(CHAT, headers=[two]) != key(CHAT)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b'"a"', b'{"a": 1e999}', DEEP])
def test_what_is_no_object_is_its_own_key(body):
    assert key(body) == key(body) != key(CHAT)


def test_by_default_only_what_has_one_right_answer_is_served():
    caching = Caching(DEFAULT.cache)
    assert caching.decide(FACTS, deterministic=True).serve
    open_ended = caching.decide(FACTS, deterministic=False)
    assert (open_ended.word, open_ended.serve, open_ended.keep) == ("shadow", False, False)
    assert open_ended.count


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("mode", ["on", "shadow", "off"])
def test_a_mode_holds_for_all_calls(mode, deterministic):
    use = Caching(Cache(mode=mode)).decide(FACTS, deterministic=deterministic)
    assert (use.word, use.serve, use.keep) == (mode, mode == "on", mode == "on")


def test_a_filter_leaves_other_calls_alone():
    caching = Caching(Cache(mode="on", where="team=search"))
    assert caching.decide(FACTS, deterministic=False).word == "on"
    assert caching.decide({"team": "other"}, deterministic=True).word == "off"


@pytest.mark.parametrize(
    ("wish", "control", "word", "serve", "keep"),
    [
        (b"off", b"", "bypass", False, False),
        (b" OFF ", b"", "bypass", False, False),
        (b"refresh", b"", "on", False, True),
        (b"no-store", b"", "on", True, False),
        (b"", b"no-cache", "on", False, True),
        (b"", b"max-age=0", "on", False, True),
        (b"", b"no-store", "on", True, False),
        (b"", b"No-Cache, no-store", "bypass", False, False),
        (b"off", b"no-store", "bypass", False, False),
        (b"nonsense", b"private", "on", True, True),
    ],
)
def test_a_caller_may_want_less_than_the_policy(wish, control, word, serve, keep):
    use = Caching(Cache(mode="on")).decide(
        FACTS, deterministic=False, wish=wish, cache_control=control
    )
    assert (use.word, use.serve, use.keep) == (word, serve, keep)


@pytest.mark.parametrize("wish", [b"off", b"refresh", b"no-store"])
@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_no_header_turns_on_what_the_policy_has_off(mode, wish):
    use = Caching(Cache(mode=mode)).decide(FACTS, deterministic=True, wish=wish)
    assert not use.serve
    assert not use.keep


def test_large_answers_are_not_kept():
    caching = Caching(Cache(max_entry_kb=1))
    assert caching.admits(1024)
    assert not caching.admits(1025)


def test_who_wants_a_fresh_answer_joins_no_flight():
    coalescing = Coalescing(Coalesce(mode="on"))

    def word(**headers):
        return coalescing.decide(FACTS, repeatable=False, **headers).word

    assert word() == "on"
    assert word(wish=b"off") == "bypass"
    assert word(cache_wish=b"refresh") == word(cache_control=b"no-cache") == "bypass"
    assert word(cache_wish=b"no-store") == "on"


def test_by_default_open_answers_are_shared_only_under_one_idempotency_key():
    coalescing = Coalescing(DEFAULT.coalesce)
    assert coalescing.decide(FACTS, repeatable=True).word == "on"
    assert coalescing.decide(FACTS, repeatable=False).word == "shadow"
    shared, _ = key(CHAT)

    def flight(idempotency_key, deterministic=False):
        return flight_key(shared, deterministic=deterministic, idempotency_key=idempotency_key)

    assert flight("a") == flight("a") != flight("b")
    assert flight("a") != flight(None) == shared
    assert flight("a", deterministic=True) == flight("b", deterministic=True) == shared
