"""A cost is shared out over the kinds of token, exactly."""

from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.money import Money
from farthing.domain.usage import BUCKETS
from farthing.ledger.meters import EXTRAS, shared_out

NOTHING = dict.fromkeys(BUCKETS, 0)
TOKENS = st.fixed_dictionaries({bucket: st.integers(-5, 10**7) for bucket in BUCKETS})
RATES = st.dictionaries(st.sampled_from([*BUCKETS, "web_searches"]), st.integers(0, 10**14))


def parts(usd, rates, calls=1, priced=None, **tokens) -> dict[str, str]:
    cost = Money.of(usd)
    whole = cost if priced is None else Money.of(priced)
    found = shared_out(cost, NOTHING | tokens, calls, rates, whole)
    return {part.meter: str(part.cost) for part in found}


def test_each_meter_costs_its_tokens_times_its_rate():
    rates = {"input_fresh": 2 * 10**12, "output_visible": 8 * 10**12}
    assert parts("0.00028", rates, input_fresh=100, output_visible=10) == {
        "input tokens": "0.0002",
        "output tokens": "0.00008",
    }


def test_what_tokens_do_not_explain_is_extras():
    rates = {"input_fresh": 10**12, "web_searches": 10**16}
    found = parts("0.0101", rates, input_fresh=100)
    assert found == {"input tokens": "0.0001", EXTRAS: "0.01"}


def test_a_rounding_is_no_extra():
    rates = {"input_fresh": 10**12, "web_searches": 10**16}
    assert parts("0.000100000003", rates, calls=3, input_fresh=100) == {
        "input tokens": "0.000100000003"
    }


def test_a_reported_cost_is_shared_in_the_proportions_of_the_price():
    rates = {"input_fresh": 10**12, "output_visible": 3 * 10**12}
    found = parts("8", rates, priced="0.0004", input_fresh=100, output_visible=100)
    assert found == {"input tokens": "2", "output tokens": "6"}


def test_without_rates_every_token_weighs_the_same():
    assert parts("4", None, input_fresh=300, reasoning=100) == {
        "input tokens": "3",
        "reasoning tokens": "1",
    }


def test_a_cost_without_tokens_is_extras():
    assert parts("4", None) == {EXTRAS: "4"}


@given(
    st.integers(-(10**13), 10**15).map(Money),
    TOKENS,
    st.integers(0, 1000),
    st.none() | RATES,
    st.integers(0, 10**15).map(Money),
)
def test_the_parts_always_sum_to_the_cost(cost, tokens, calls, rates, priced):
    found = shared_out(cost, tokens, calls, rates, priced)
    assert Money.sum(part.cost for part in found) == cost
    assert len({part.meter for part in found}) == len(found)
