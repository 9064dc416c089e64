"""Settings come from one file, and what is misspelt is named."""

from __future__ import annotations

import pytest

from farthing.config import Rule, Settings
from farthing.domain.errors import Refused


def test_no_file_means_the_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Settings.load(tmp_path / "none") == Settings()


def test_the_workspaces_file_wins_over_the_current_folders(tmp_path, monkeypatch):
    workspace = tmp_path / "ws"
    workspace.mkdir()
    (tmp_path / "farthing.toml").write_text('timezone = "Asia/Tokyo"')
    monkeypatch.chdir(tmp_path)
    assert Settings.load(workspace).timezone == "Asia/Tokyo"
    (workspace / "farthing.toml").write_text('timezone = "Europe/Berlin"')
    assert Settings.load(workspace).timezone == "Europe/Berlin"


def test_a_rule_sets_the_owners_it_names():
    assert Rule("model=m", team="search", feature="ask").sets == {
        "team": "search",
        "feature": "ask",
    }


@pytest.mark.parametrize(
    "text",
    [
        "timezon = 'UTC'",
        "timezone = 3",
        "[[allocate]]\nteam = 'a'",
        "= broken",
        "[[allocate]]\nmatch='a=b'\nteem='x'",
    ],
)
def test_a_misspelt_file_is_refused_by_name(tmp_path, text):
    file = tmp_path / "farthing.toml"
    file.write_text(text)
    with pytest.raises(Refused, match=r"farthing\.toml"):
        Settings.read(file)
