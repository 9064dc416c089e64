"""Each dollar counts once, whatever tells of it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.call import GRAINS
from farthing.domain.money import Money
from farthing.domain.period import Period
from farthing.domain.where import parse_any
from farthing.ledger import grain
from farthing.ledger.grain import Evidence, judge
from farthing.ledger.queries import EVERYTHING, Selection
from farthing.ledger.spend import Spending
from tests.ledgers import NOON, call, charge, ledger

DAY = datetime(2026, 10, 3, tzinfo=UTC)


def settled(*rows, period=EVERYTHING, where=()) -> tuple[str, str]:
    """Total and unseen."""
    connection = ledger(*rows)
    selection = Selection(period, parse_any(where))
    verdict = grain.settle(connection, selection)
    sums = Spending(connection, ZoneInfo("UTC")).by(selection, ())[()]
    return str(sums.cost), str(verdict.unseen(selection.where))


def usage(usd, **fields):
    return charge(usd, **({"grain": "usage", "describes_calls": True} | fields))


def invoice(usd, **fields):
    return charge(usd, **({"grain": "invoice", "describes_calls": True} | fields))


def test_a_call_beats_the_usage_page_and_the_usage_page_beats_the_invoice():
    assert settled(call("3"), usage("4"), invoice("5")) == ("3", "2")
    assert settled(usage("4"), invoice("5")) == ("4", "1")
    assert settled(invoice("5")) == ("5", "0")
    assert settled(call("3"), usage("4")) == ("3", "1")


def test_what_no_call_describes_always_counts():
    assert settled(call("3"), charge("40", service_category="Compute")) == ("43", "0")


def test_another_day_provider_or_account_is_not_hidden():
    later = DAY + timedelta(days=1)
    assert settled(call("3"), invoice("5", time=later)) == ("8", "0")
    assert settled(call("3"), invoice("5", provider="anthropic")) == ("8", "0")
    assert settled(call("3", account="a"), invoice("5", account="b")) == ("8", "0")


def test_a_row_without_account_stands_for_the_only_one():
    assert settled(call("3"), invoice("5", account="a")) == ("3", "2")
    assert settled(call("3", account="a"), invoice("5")) == ("3", "2")


def test_a_row_without_account_among_several_counts_no_dollar_twice_and_is_reported():
    rows = [call("3", account="a"), call("4", account="b"), invoice("9")]
    assert settled(*rows) == ("7", "2")
    assert grain.settle(ledger(*rows), Selection()).ambiguous == ("openai",)
    assert grain.settle(ledger(rows[0], rows[2]), Selection()).ambiguous == ()


def test_a_monthly_invoice_gives_way_to_calls_on_any_of_its_days():
    month = invoice("30", time=DAY.replace(day=1), until=DAY.replace(month=11, day=1))
    calls = [call("3", time=NOON.replace(day=4)), call("4", time=NOON.replace(day=31))]
    assert settled(month, *calls) == ("7", "23")
    assert settled(month, call("1", time=NOON.replace(month=11, day=1))) == ("31", "0")


def test_hours_of_one_day_are_one_bill():
    hours = [
        invoice("2", time=DAY.replace(hour=h), until=DAY.replace(hour=h + 1)) for h in (3, 4, 5)
    ]
    assert settled(*hours, call("5")) == ("5", "1")


def test_a_filter_does_not_change_which_grain_counts():
    rows = [call("3", team="ads"), invoice("5", team="search")]
    assert settled(*rows, where=["team=search"])[0] == "0"


def test_a_period_that_starts_within_a_day_still_sees_its_earlier_calls():
    evening = DAY.replace(hour=18)
    rows = [call("3", time=NOON), usage("1", time=evening, until=DAY.replace(hour=19))]
    assert settled(*rows, period=Period(evening, None)) == ("0", "0")


def test_a_cache_hit_or_a_refusal_does_not_hide_a_bill():
    assert settled(call("0", attempt=0, status="refused"), invoice("5")) == ("5", "0")


def test_unseen_is_never_negative_and_has_no_team():
    assert settled(call("9"), invoice("5")) == ("9", "0")
    assert settled(call("3"), invoice("5"), where=["team=ads"])[1] == "0"
    assert settled(call("3"), invoice("5"), where=["provider=openai"])[1] == "2"
    assert settled(call("3"), invoice("5"), where=["provider=anthropic"])[1] == "0"


def test_a_shift_over_midnight_cancels_out():
    tomorrow = DAY + timedelta(days=1)
    rows = [call("3"), call("3", time=NOON + timedelta(days=1))]
    assert settled(*rows, invoice("2"), invoice("4", time=tomorrow)) == ("6", "0")


ACCOUNTS = st.sampled_from([None, "a", "b"])
EVIDENCE = st.builds(
    lambda grain, account, first, days, cents: Evidence(
        grain,
        "openai",
        account,
        (DAY + timedelta(first)).date(),
        (DAY + timedelta(first + (0 if grain == "call" else days))).date(),
        Money(cents),
    ),
    st.sampled_from(GRAINS), ACCOUNTS, st.integers(0, 4), st.integers(0, 3), st.integers(0, 99),
)  # fmt: skip


@given(st.lists(EVIDENCE, max_size=12))
def test_no_account_counts_two_grains_of_one_day(evidence):
    hidden = judge(evidence).shadowed
    kept = [each for each in evidence if not any(each is other for other in hidden)]
    for one in kept:
        for other in kept:
            same_account = None in (one.account, other.account) or one.account == other.account
            if same_account and set(one.days) & set(other.days):
                assert one.grain == other.grain


@given(st.lists(EVIDENCE, max_size=12), st.randoms())
def test_the_verdict_does_not_depend_on_the_order_of_rows(evidence, random):
    shuffled = random.sample(evidence, len(evidence))
    one, other = judge(evidence), judge(shuffled)
    assert sorted(map(repr, one.shadowed)) == sorted(map(repr, other.shadowed))
    assert one.unseen() == other.unseen()
