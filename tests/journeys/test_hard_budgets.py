"""A hard budget is never overrun, and refuses nothing that fits."""

import os
import signal
from decimal import Decimal
from threading import Thread

from tests.gateways import budget, configure, key, provider, rows, until_ready, up
from tests.journeys.calling import mixed, send_all
from tests.journeys.commands import farthing

CALLS = 1000


def test_a_thousand_calls_at_once_never_overrun_and_leave_little_unspent(tmp_path):
    with provider(tmp_path) as simulator:
        configure(tmp_path, simulator.url)
        made = key(tmp_path, "--hard-budget", "0.10/month")
        with up(tmp_path) as gateway:
            answers = send_all(gateway.gateway, mixed(made["key"], CALLS, seed=1))
        spent = budget(tmp_path, f"key-{made['id']}")
        booked = rows(tmp_path, f"key={made['id']}")
    settled = Decimal(spent["settled_usd"])
    assert Decimal("0.09") <= settled <= Decimal("0.10")
    assert sum(Decimal(row["effective_usd"]) for row in booked) == settled
    refused = [each for each in answers if each.code == "budget_exhausted"]
    assert refused
    assert all(each.headers["x-should-retry"] == "false" for each in refused)
    assert len({(row["id"], row.get("attempt", 1)) for row in booked}) == len(booked)


def test_a_limit_of_all_worst_cases_refuses_nothing(tmp_path):
    with provider(tmp_path) as simulator:
        configure(tmp_path, simulator.url)
        made = key(tmp_path, "--hard-budget", "1000/month")
        with up(tmp_path) as gateway:
            answers = send_all(gateway.gateway, mixed(made["key"], CALLS, seed=2))
        booked = rows(tmp_path, f"key={made['id']}")
    assert [each for each in answers if each.code == "budget_exhausted"] == []
    reached = {each["id"] for each in simulator.attempts()}
    assert len(reached) > CALLS * 0.8
    assert {f"{row['id']}-{row.get('attempt', 1)}" for row in booked} >= reached


def test_a_budget_set_amid_load_counts_what_came_before_and_after_once(tmp_path):
    with provider(tmp_path) as simulator:
        configure(tmp_path, simulator.url)
        made = key(tmp_path)
        with up(tmp_path) as gateway:
            send_all(gateway.gateway, mixed(made["key"], 200, seed=3))
            load = Thread(target=send_all, args=(gateway.gateway, mixed(made["key"], 800, seed=4)))
            load.start()
            limit = ("--limit", "1000/month", "--where", "team=search")
            assert farthing("budget", "set", "late", *limit, folder=tmp_path).returncode == 0
            gateway_pid = gateway.gateway_pid()
            load.join()
            os.kill(gateway_pid, signal.SIGKILL)
            until_ready(gateway.gateway)
            send_all(gateway.gateway, mixed(made["key"], 20, seed=5))
        told = budget(tmp_path, "late")
        booked = rows(tmp_path, f"key={made['id']}")
    assert Decimal(told["carried_usd"]) > 0
    spent = sum(Decimal(row["effective_usd"]) for row in booked)
    assert Decimal(told["settled_usd"]) == spent
