"""Two hundred seeds live through all that can go wrong, and planted bugs are found."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from farthing import app
from farthing.testing.sim import simulate
from farthing.testing.sim.__main__ import main
from tests.unit.testing.planted import BUGS, RARE, STALLED, bytes_that_leave_before_the_intent

SEEDS, BATCH = 200, 25
ENOUGH = 300  # seeds, to find a planted bug


def _named(each):
    return getattr(each, "__name__", "")


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_whatever_happens_the_books_are_right_after_every_step(first):
    met = Counter()
    for seed in range(first, first + BATCH):
        report = simulate(seed)
        assert report.faults == [], f"python -m farthing.testing.sim --replay {seed}"
        assert report.checks >= report.steps - 200
        met.update(report.met)
        met.update(report.ends.keys())
    assert met.keys() >= {
        "ok", "error", "recovered", "booked_at_hold", "estimated", "not_sent", "clamped",
        "hit", "coalesced", "budget_exhausted", "kill", "power", "peace",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bug", "words"), BUGS.items(), ids=lambda each: getattr(each, "__name__", "")
)
def test_a_planted_bug_is_found(bug, words):
    with pytest.MonkeyPatch.context() as plant:
        bug(plant)
        stories = (simulate(seed, gateway_line=app.line) for seed in range(ENOUGH))
        assert any(words in fault for story in stories for fault in story.faults)


@pytest.mark.parametrize(
    ("bug", "words"), RARE.items(), ids=lambda each: getattr(each, "__name__", "")
)
def test_a_planted_bug_is_found_where_callers_stop_reading(bug, words):
    assert not any(simulate(seed, sky=STALLED).faults for seed in range(20))
    with pytest.MonkeyPatch.context() as plant:
        bug(plant)
        stories = (simulate(seed, sky=STALLED) for seed in range(ENOUGH))
        assert any(words in fault for story in stories for fault in story.faults)


def test_a_seed_is_the_same_story_in_every_process():
    code = "from farthing.testing.sim import simulate; r = simulate(11); print(r.digest, r.story)"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(told) == 1
    here = simulate(11)
    assert told == {f"{here.digest} {here.story}\n"}
    assert simulate(12).digest != here.digest


def test_the_command_lives_through_a_range(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sim", "--seeds", "0-3", "--jobs", "1", "--calls", "5"])
    assert main() == 0
    assert "4 seeds" in capsys.readouterr().out


def test_the_command_names_a_seed_that_fails_and_how_to_replay_it(monkeypatch, capsys):
    bytes_that_leave_before_the_intent(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["sim", "--seeds", "0-30", "--jobs", "1"])
    assert main() == 1
    said = capsys.readouterr().out
    assert "without an intent" in said
    assert "--replay" in said


def test_the_command_tells_the_story_of_one_seed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sim", "--replay", "0"])
    assert main() == 0
    said = capsys.readouterr().out
    assert "a gateway starts" in said
    assert "digest" in said


def test_a_range_that_is_none_is_explained(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sim", "--seeds", "9-3"])
    with pytest.raises(SystemExit):
        main()
    assert "Write 0-999" in capsys.readouterr().err
