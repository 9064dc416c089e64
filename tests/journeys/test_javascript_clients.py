"""The newest JavaScript clients of OpenAI and Anthropic work against the gateway unchanged."""

import json
import os
import re
import shutil
import subprocess
import time
from decimal import Decimal

import pytest

from tests.conftest import HOME
from tests.gateways import key, rows
from tests.house.tree import dev

SOURCE = HOME / "tests" / "journeys" / "javascript"
CLAIMS = re.findall(r'^  "(.+)": async', (SOURCE / "clients.mjs").read_text(), re.M)
LEFT = {"js-leaving", "js-stream-left", "js-timeout"}  # whose callers went away


@pytest.fixture(scope="module")
def told(simulated, tmp_path_factory):
    """What the script says of each claim."""
    script = dev()
    try:
        made = script.modules(SOURCE)
        node, _ = script.node(SOURCE)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"the JavaScript clients cannot be installed here: {error}")
    folder = tmp_path_factory.mktemp("javascript")
    (folder / "node_modules").symlink_to(made / "node_modules")
    shutil.copy(SOURCE / "clients.mjs", folder)
    poor = key(simulated.folder, "--hard-budget", "0.000000001/month")
    done = subprocess.run(
        [node, folder / "clients.mjs", simulated.gateway, simulated.demo_key],
        env={**os.environ, "POOR_KEY": poor["key"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def booked(told, simulated):
    """The ledger, once those who left are in it, too: they did not wait for that."""
    deadline = time.monotonic() + 20
    while True:
        found = rows(simulated.folder)
        if {row["scope"]["feature"] for row in found} >= LEFT or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_javascript_client_is_served_and_the_ledger_agrees(claim, told, booked):
    said = told[claim]
    assert "failed" not in said, said["failed"]
    if feature := said.get("feature"):
        found = [row for row in booked if row["scope"]["feature"] == feature]
        assert {row["status"] for row in found} == ({"cancelled"} if feature in LEFT else {"error"})
        assert feature not in LEFT or all(Decimal(row["effective_usd"]) > 0 for row in found)
    elif response := said.get("response"):
        (row,) = [row for row in booked if row.get("response_id") == response]
        assert row["id"] == said.get("id", row["id"])
        assert "cost" not in said or Decimal(row["effective_usd"]) == Decimal(said["cost"])
        assert said.get("input") in {None, row["usage"]["input_fresh"]}
        assert said.get("output") in {None, row["usage"]["output_visible"]}
