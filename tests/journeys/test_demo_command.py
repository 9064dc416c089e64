"""`farthing demo` on a fresh machine: it builds, says what it planted, and keeps its hands off."""

import json
import shlex
from decimal import Decimal

import pytest

from tests.journeys.commands import farthing


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home):
    return farthing("demo", "--calls", "1000", "--month", "2026-09", "--json", folder=home)


@pytest.fixture(scope="module")
def again(first, home):
    return farthing("demo", folder=home)


def test_it_builds_in_the_default_workspace(first, home):
    assert (first.returncode, first.stderr) == (0, "")
    built = json.loads(first.stdout)
    assert (built["seed"], built["calls"], built["month"]) == (1, 1000, "2026-09")
    assert built["import"]["added"] > 1000
    assert built["import"]["duplicates"] > 0
    assert built["import"]["quarantined"] == built["import"]["unpriced"] == 0
    assert Decimal(built["unseen_usd"]) > 0
    assert (home / ".farthing" / "farthing.toml").read_text().startswith("# A demo workspace")


def test_running_it_again_adds_nothing_and_keeps_its_month(first, again):
    built = json.loads(first.stdout)
    assert again.returncode == 0
    assert "invented data of 2026-09" in again.stdout
    assert "\n0 rows" in again.stdout
    assert f"session {built['loop_session']} made 65 equal calls" in again.stdout


def test_it_ends_with_the_report(first, again, home):
    said = again.stdout
    told = json.loads(farthing("report", "--json", folder=home).stdout)
    assert Decimal(told["unseen_usd"]) == Decimal(json.loads(first.stdout)["unseen_usd"])
    assert f"${Decimal(told['total_usd']):.0f} in all" in said
    assert {"team", "model", "unallocated", "total"} <= set(said.split())


def test_what_it_says_to_try_next_works(first, again, home):
    lines = again.stdout.splitlines()[-3:]
    commands = [shlex.split(line.partition("farthing ")[2]) for line in lines]
    assert len(commands) == 3
    loop, bill, logs = [farthing(*command, folder=home) for command in commands]
    assert json.loads(first.stdout)["loop_session"] in loop.stdout
    assert "missing traffic" in bill.stdout
    assert logs.stdout.startswith("0 rows added")


def test_another_seed_needs_another_workspace(first, home):
    refused = farthing("demo", "--seed", "2", folder=home)
    assert refused.returncode == 2
    assert "--workspace" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_workspace_that_is_no_demo_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "workspace.json").write_text("{}")
    refused = farthing("--workspace", "mine", "demo", folder=tmp_path)
    assert refused.returncode == 2
    assert "is not a demo workspace" in refused.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["workspace.json"]


def test_a_month_that_is_not_over_is_refused(tmp_path):
    refused = farthing("demo", "--month", "2999-01", folder=tmp_path)
    assert refused.returncode == 2
    assert "is not over" in refused.stderr
    assert list(tmp_path.iterdir()) == []
