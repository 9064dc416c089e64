"""`farthing doctor` names what is wrong and the fix, and changes nothing."""

import json
from datetime import UTC, date, datetime

import pytest
from typer.testing import CliRunner

from farthing.cli import doctor, main
from farthing.ledger.schema import VERSION

TODAY = date(2026, 11, 23)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "ws"
    (folder / "journal").mkdir(parents=True)
    (folder / "workspace.json").write_text(json.dumps({"schema": VERSION}))
    return folder


@pytest.fixture
def examined(workspace):
    return lambda today=TODAY: {each.check: each for each in doctor.examine(workspace, today)}


def test_a_sound_set_up_has_nothing_to_mend(examined):
    findings = examined()
    assert {check: each.fix for check, each in findings.items() if each.fix} == {}
    assert {each.state for each in findings.values()} == {"ok"}


def test_a_file_that_is_not_read_is_told(workspace, examined, tmp_path):
    (workspace / "farthing.toml").touch()
    (tmp_path / "farthing.toml").touch()
    found = examined()["configuration"]
    assert found.state == "warning"
    assert str(tmp_path / "farthing.toml") in found.found


def test_a_misspelt_setting_is_named(workspace, examined):
    (workspace / "farthing.toml").write_text('timezon = "UTC"\n')
    found = examined()["configuration"]
    assert found.state == "wrong"
    assert "timezon" in found.found
    assert found.fix


def test_an_unknown_time_zone_is_named(workspace, examined):
    (workspace / "farthing.toml").write_text('timezone = "Middle/Earth"\n')
    found = examined()["time zone"]
    assert found.state == "wrong"
    assert "Middle/Earth" in found.found


@pytest.mark.parametrize(
    ("text", "state", "fix"),
    [
        ('{"schema": 99}', "wrong", "Upgrade farthing"),
        ('{"schema": 0}', "warning", "migrates"),
        ("{", "wrong", "backup"),
        ("[]", "wrong", "backup"),
    ],
)
def test_a_workspace_of_another_schema_says_what_happens_next(
    workspace, examined, text, state, fix
):
    (workspace / "workspace.json").write_text(text)
    found = examined()["workspace"]
    assert found.state == state
    assert fix in found.fix


def test_a_full_disk_is_wrong(examined, monkeypatch):
    monkeypatch.setattr(doctor, "ROOM_NEEDED", 2**62)
    assert examined()["disk"].state == "wrong"


@pytest.fixture
def segment(workspace):
    file = workspace / "journal" / "019ab" / "000001.ndjson"
    file.parent.mkdir()
    file.write_bytes(b"{}\n" * 100)
    return file


def test_a_long_journal_asks_to_be_compacted(segment, examined, monkeypatch):
    assert examined()["journal"].fix is None
    monkeypatch.setattr(doctor, "LONG_JOURNAL", 200)
    assert "farthing compact" in examined()["journal"].fix


def test_a_torn_line_is_mentioned_and_no_reason_to_worry(segment, examined):
    assert "half a line" not in examined()["journal"].found
    segment.write_bytes(b'{}\n{"id')
    assert "1 end in half a line" in examined()["journal"].found
    assert examined()["journal"].state == "ok"


def test_rows_in_quarantine_are_pointed_at(workspace, examined):
    (workspace / "quarantine").mkdir()
    (workspace / "quarantine" / "a.jsonl").write_text("{}\n")
    assert "a.jsonl" in examined()["quarantine"].fix


def test_a_price_list_that_was_not_upgraded_for_long_is_old(examined):
    assert examined(date(2026, 12, 1))["prices"].state == "ok"
    assert examined(date(2030, 1, 1))["prices"].state == "warning"


def test_nothing_is_made_or_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    findings = list(doctor.examine(tmp_path / "not" / "there", datetime.now(UTC).date()))
    assert list(tmp_path.iterdir()) == []
    assert "the first import makes it" in findings[2].found


def test_the_command_ends_with_1_when_something_is_wrong(workspace):
    command = ["--workspace", str(workspace), "doctor"]
    assert CliRunner().invoke(main.app, command).exit_code == 0
    (workspace / "workspace.json").write_text('{"schema": 99}')
    done = CliRunner().invoke(main.app, [*command, "--json"])
    assert done.exit_code == 1
    wrong = [each for each in json.loads(done.stdout) if each["state"] == "wrong"]
    assert [each["check"] for each in wrong] == ["workspace"]
