"""The floors of the house hold, and the contract says which rooms are built."""

import re
import tomllib

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from tests.house.tree import HOME, ROOMS

CONTRACT = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
][0]
PLACES = [place.strip() for layer in CONTRACT["layers"] for place in layer.split("|")]


def test_imports_only_go_down(monkeypatch, capsys):
    monkeypatch.chdir(HOME)
    status = lint_imports(no_cache=True, no_logo=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_every_room_has_a_floor():
    assert {place.strip("()") for place in PLACES} >= ROOMS
    assert CONTRACT["exhaustive"]


def test_only_rooms_that_are_not_built_stand_in_parentheses():
    unbuilt = {place[1:-1] for place in PLACES if re.fullmatch(r"\(.*\)", place)}
    assert not unbuilt & ROOMS, "take the parentheses off in pyproject.toml"


def test_every_room_has_a_budget():
    budgets = tomllib.loads((HOME / "tests" / "budgets.toml").read_text())["seconds"]
    assert {f"unit/{room}" for room in ROOMS} <= set(budgets)
