"""In shadow nothing changes for callers, and /metrics tells what would have."""

import re
from decimal import Decimal
from urllib.request import urlopen

import pytest

from tests.gateways import key, up
from tests.journeys.calling import send_all
from tests.journeys.commands import farthing

FILE = """
[providers.sim]
kind = "simulator"
models = ["sim-*"]
[budgets.tell]
limit = "0.000001/month"
soft = true
[[route]]
from = "sim-medium"
to = "sim-small"
mode = "shadow"
[[route]]
from = "sim-small"
to = "sim-medium"
mode = "shadow"
[[fallback]]
from = "sim-large"
to = ["sim-medium"]
mode = "shadow"
[retry]
mode = "shadow"
[[limit]]
requests_per_minute = 1
mode = "shadow"
[[loop]]
same_call = 2
mode = "shadow"
"""


def ask(token, model, content, **headers):
    body = {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 50}
    return body, {"authorization": f"Bearer {token}", **headers}, 30.0


def metrics(gateway):
    with urlopen(f"{gateway}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    pattern = r'^(farthing_shadow\w*)\{knob="([^"]+)"\} (\S+)$'
    return {(name, knob): Decimal(value) for name, knob, value in re.findall(pattern, text, re.M)}


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shadow")
    (folder / "farthing.toml").write_text(FILE)
    assert farthing("config", "apply", "farthing.toml", folder=folder).returncode == 0
    token = key(folder)["key"]
    with up(folder) as gateway:
        answers = []
        for number in range(3):
            for model in ("sim-medium", "sim-small"):
                answers += send_all(gateway.gateway, [ask(token, model, f"Question {number}")])
        again = {"x-farthing-session": "s1"}
        for _ in range(3):
            answers += send_all(gateway.gateway, [ask(token, "sim-small", "Again", **again)])
        failing = ask(token, "sim-large", "Fail", **{"x-sim-error": "503"})
        (failed,) = send_all(gateway.gateway, [failing])
        return answers, failed, metrics(gateway.gateway)


def test_every_call_goes_on_as_if_the_knobs_were_off(counted):
    answers, failed, _ = counted
    assert {each.status for each in answers} == {200}
    assert failed.status == 503


def test_a_route_is_counted_with_the_other_price_of_what_was_used(counted):
    answers, _, told = counted
    spent = sum(Decimal(each.headers["x-farthing-cost-usd"]) for each in answers[0:6:2])
    assert told["farthing_shadow_total", "route 1"] == 3
    # sim-small costs 6 % of sim-medium, whatever the tokens.
    assert round(told["farthing_shadow_saved_usd", "route 1"], 12) == spent * 94 / 100
    assert told["farthing_shadow_saved_usd", "route 2"] < 0


def test_what_limits_loops_retries_stand_ins_and_budgets_would_do_is_counted(counted):
    _, _, told = counted
    for knob in ("limit", "loop", "retry", "fallback", "budget"):
        assert told["farthing_shadow_total", knob] >= 1, knob
