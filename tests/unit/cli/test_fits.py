"""A report fits the window: columns go, and what stays is whole."""

from typer.testing import CliRunner

from farthing.cli import reading
from farthing.cli.main import app
from tests.imports import HEADER, LINE, Desk


def report_in(width, tmp_path, monkeypatch):
    from rich.console import Console

    desk = Desk(tmp_path)
    desk.take_text(HEADER + LINE.replace("search", "a-team-with-a-longish-name") + LINE)
    monkeypatch.setattr(reading, "console", lambda: Console(width=width, markup=False))
    ran = CliRunner().invoke(app, ["--workspace", str(desk.workspace.root), "report"])
    assert ran.exit_code == 0, ran.output
    return ran.output


def test_a_wide_window_shows_everything(tmp_path, monkeypatch):
    shown = report_in(160, tmp_path, monkeypatch)
    assert all(title in shown for title in ("$/call", "$/Mtok", "tokens", "by day", "calls"))


def test_a_narrow_window_keeps_names_cost_and_share_whole(tmp_path, monkeypatch):
    shown = report_in(60, tmp_path, monkeypatch)
    assert "$/call" not in shown
    assert "…" not in shown
    assert all(word in shown for word in ("a-team-with-a-longish-name", "gpt-4o", "share", "50%"))
