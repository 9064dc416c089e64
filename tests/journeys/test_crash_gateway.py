"""A gateway that is killed under load loses no attempt, books none twice, and knows its sums."""

import os
import signal
import threading
import time
from collections import Counter
from decimal import Decimal

from tests.gateways import budget, configure, key, provider, rows, until_ready, up
from tests.journeys.calling import mixed, send_all

KILLS = 20
CALLS_A_ROUND = 60


def test_every_attempt_that_reached_the_provider_has_one_row_whatever_is_killed(tmp_path):
    with provider(tmp_path) as simulator:
        configure(tmp_path, simulator.url)
        made = key(tmp_path, "--hard-budget", "1000/month")
        with up(tmp_path) as gateway:
            for kill in range(KILLS):
                calls = mixed(made["key"], CALLS_A_ROUND, seed=kill)
                load = threading.Thread(target=send_all, args=(gateway.gateway, calls))
                load.start()
                time.sleep(0.05 + 0.02 * (kill % 10))
                os.kill(gateway.gateway_pid(), signal.SIGKILL)
                load.join()
                until_ready(gateway.gateway)
        reached = Counter(each["id"] for each in simulator.attempts())
        booked = rows(tmp_path, f"key={made['id']}")
        spent = budget(tmp_path, f"key-{made['id']}")
    attempts = Counter(f"{row['id']}-{row.get('attempt', 1)}" for row in booked)
    assert reached
    assert set(reached.values()) == {1}
    assert [name for name in reached if attempts[name] != 1] == []
    assert max(attempts.values()) == 1
    lost = [row for row in booked if row["status"] == "recovered"]
    assert lost
    assert all("recovered" in row["flags"] for row in lost)
    assert Decimal(spent["settled_usd"]) == sum(Decimal(row["effective_usd"]) for row in booked)
