"""What can wait goes at a cheaper tier, priced as the answer says; a full tier loses no call."""

import json
from decimal import Decimal

import pytest

from tests.gateways import key, rows, up
from tests.journeys.calling import send_all
from tests.journeys.commands import farthing

FILE = """
[providers.sim]
kind = "simulator"
models = ["sim-*"]
[[route]]
from = "sim-large"
tier = "flex"
[[route]]
from = "sim-medium"
tier = "flex"
where = "feature=evaluation"
[[route]]
from = "sim-small"
tier = "priority"
"""
WAITS = {"x-farthing-can-wait": "true"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiers")
    (folder / "farthing.toml").write_text(FILE)
    assert farthing("config", "apply", "farthing.toml", folder=folder).returncode == 0
    tokens = [key(folder, "--hard-budget", limit)["key"] for limit in ("9/day", *2 * ["0.05/day"])]
    with up(folder) as running:
        running.demo_key, *running.poor = tokens
        yield running


def ask(gateway, content, headers=WAITS, model="sim-large", token=None, **more):
    body = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 1000,
        **more,
    }
    headers = {"authorization": f"Bearer {token or gateway.demo_key}", **headers}
    (answer,) = send_all(gateway.gateway, [(body, headers, 30.0)])
    assert answer.status == 200, answer.body
    return answer


def cost(answer):
    return Decimal(answer.headers["x-farthing-cost-usd"])


def tier(answer):
    return json.loads(answer.body)["service_tier"]


def attempts(gateway, answer):
    found = rows(gateway.folder, f"id={answer.headers['x-farthing-request-id']}")
    return sorted(found, key=lambda row: row.get("attempt", 1))


def test_a_call_that_can_wait_costs_what_the_tier_does(gateway):
    now, later = ask(gateway, "Label this.", {}), ask(gateway, "Label this.")
    assert (tier(now), tier(later)) == ("default", "flex")
    assert cost(later) * 2 == cost(now)
    (row,) = attempts(gateway, later)
    assert (Decimal(row["effective_usd"]), row["flags"]) == (cost(later), [])
    assert row["tags"] == {"can_wait": "true"}


def test_a_filter_may_say_so_for_the_caller(gateway):
    evaluated = {"x-farthing-feature": "evaluation"}
    assert tier(ask(gateway, "Grade this.", evaluated, "sim-medium")) == "flex"
    assert tier(ask(gateway, "Grade this.", WAITS, "sim-medium")) == "default"


def test_a_tier_that_the_caller_asks_for_stays(gateway):
    assert tier(ask(gateway, "Now, please.", service_tier="default")) == "default"
    assert tier(ask(gateway, "Unasked.", service_tier=None)) == "flex"


def test_a_tier_that_the_provider_does_not_have_is_not_asked_for(gateway):
    assert tier(ask(gateway, "Quick.", model="sim-small")) == "default"


def test_when_the_tier_is_full_the_call_goes_at_the_usual_one(gateway):
    answer = ask(gateway, "No room.", {**WAITS, "x-sim-flex": "full"})
    assert tier(answer) == "default"
    full, done = attempts(gateway, answer)
    assert (full["status"], full["flags"]) == ("error", ["http_429"])
    assert (Decimal(full["effective_usd"]), done["status"]) == (0, "ok")


def test_a_tier_that_is_full_for_everybody_loses_no_call(gateway):
    """Far more than the tries that `[retry]` grants in a minute."""
    for number in range(14):
        answer = ask(gateway, f"Still no room {number}.", {**WAITS, "x-sim-flex": "full"})
        assert tier(answer) == "default"


def test_a_hard_budget_holds_no_more_than_the_tier_costs(gateway):
    one, other = gateway.poor
    now, later = ask(gateway, "How much?", {}, token=one), ask(gateway, "How much?", token=other)
    assert "x-farthing-clamped" in now.headers
    assert "x-farthing-clamped" not in later.headers
