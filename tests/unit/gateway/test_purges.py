"""A purge says what it covers, and reaches whoever asks for it later."""

from datetime import UTC, datetime

import pytest

from farthing.gateway import purges
from farthing.gateway.purges import Purge
from farthing.ledger import audit
from farthing.ledger.audit import By
from farthing.ledger.state import State
from tests.unit.gateway.kept import whose


@pytest.mark.parametrize(
    ("purge", "covered"),
    [
        (Purge(), True),
        (Purge(tenant="acme"), True),
        (Purge(tenant="acme/north"), True),
        (Purge(tenant="acm"), False),
        (Purge(tenant="acme/nor"), False),
        (Purge(team="search"), True),
        (Purge(team="support"), False),
        (Purge(customer="north"), True),
        (Purge(customer="south"), False),
        (Purge(model="gpt-4o"), True),
        (Purge(model="gpt-4o-2024*"), True),
        (Purge(model="o1*"), False),
        (Purge(tenant="acme", customer="south"), False),
        (Purge(tenant="acme", team="search", customer="north", model="gpt-*"), True),
    ],
    ids=str,
)
def test_a_purge_covers_what_agrees_with_all_that_it_says(purge, covered):
    of = whose("acme/north", "search", "north", "gpt-4o", "gpt-4o-2024-08-06")
    assert purge.covers(of) is covered


def test_an_answer_without_a_customer_is_no_customers():
    assert not Purge(customer="north").covers(whose(customer=None))


def test_purges_come_back_in_their_order_and_the_audit_says_who(tmp_path):
    state = State.open(tmp_path)
    ordered = [Purge(team="search"), Purge(), Purge(model="gpt-*")]
    by = By("cli:ada", datetime(2026, 11, 25, tzinfo=UTC))
    with state.changing() as change:
        for purge in ordered:
            purges.note(change, purge, by)
    found = purges.since(state, 0)
    assert [purge for _, purge in found] == ordered
    assert [purge for _, purge in purges.since(state, found[0][0])] == ordered[1:]
    newest = audit.newest(state, 1)[0]
    assert (newest.who, newest.action, newest.target) == ("cli:ada", "cache.purge", "model=gpt-*")
    state.close()
