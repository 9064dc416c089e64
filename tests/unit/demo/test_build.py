"""A demo workspace is marked, is never mixed with anything else, and builds to the same thing."""

import json
from datetime import date

import pytest

from farthing.demo.build import MARK, SOURCES, files, wanted, write_sources
from farthing.demo.world import Plan
from farthing.domain.errors import BadInput, DiskFull, Refused

TODAY = date(2026, 11, 23)
NOTHING = {"seed": None, "calls": None, "month": None}


def mark(root, **plan):
    root.mkdir(exist_ok=True)
    (root / MARK).write_text(json.dumps({"plan": plan, "note": "invented"}))


def test_a_new_demo_is_of_the_last_full_month(tmp_path):
    assert wanted(tmp_path / "new", TODAY, **NOTHING) == Plan(month="2026-10")
    assert wanted(tmp_path / "new", date(2027, 1, 1), **NOTHING).month == "2026-12"


def test_a_demo_that_is_there_stays_what_it_is_when_the_month_has_passed(tmp_path):
    mark(tmp_path, seed=7, calls=2_000, month="2026-08")
    plan = Plan(seed=7, calls=2_000, month="2026-08")
    assert wanted(tmp_path, date(2027, 5, 1), **NOTHING) == plan


def test_another_demo_in_the_same_folder_is_refused(tmp_path):
    mark(tmp_path, seed=7, calls=2_000, month="2026-08")
    with pytest.raises(Refused, match=r"holds the demo of 2026-08 with seed 7 .*--workspace"):
        wanted(tmp_path, TODAY, **{**NOTHING, "seed": 8})


def test_a_workspace_with_somebodys_data_is_refused(tmp_path):
    (tmp_path / "workspace.json").write_text('{"schema": 1}')
    with pytest.raises(Refused, match=r"is not a demo workspace.*--workspace"):
        wanted(tmp_path, TODAY, **NOTHING)


def test_a_file_in_the_place_of_the_workspace_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="is not a demo workspace"):
        wanted(tmp_path / "file", TODAY, **NOTHING)


def test_an_empty_folder_may_become_a_demo(tmp_path):
    assert wanted(tmp_path, TODAY, **NOTHING).month == "2026-10"


def test_a_broken_mark_is_refused_by_name(tmp_path):
    (tmp_path / MARK).write_text("{")
    with pytest.raises(BadInput, match=MARK):
        wanted(tmp_path, TODAY, **NOTHING)


@pytest.mark.parametrize("month", ["2026-11", "2027-01"])
def test_a_month_that_is_not_over_is_refused(tmp_path, month):
    with pytest.raises(Refused, match="is not over"):
        wanted(tmp_path, TODAY, **{**NOTHING, "month": month})


def test_the_sources_are_what_files_says(tmp_path, world, book):
    folder = tmp_path / SOURCES
    write_sources(folder, world, book)
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found == dict(files(world, book))


def test_sources_that_are_there_are_left_as_they_are(tmp_path, world, book):
    folder = tmp_path / SOURCES
    folder.mkdir()
    (folder / "own.csv").write_text("mine")
    write_sources(folder, world, book)
    assert [path.name for path in folder.iterdir()] == ["own.csv"]


def test_a_full_disk_leaves_nothing_half_written(tmp_path, world, book, monkeypatch):
    import errno
    from pathlib import Path

    written = []

    def write(path, content):
        written.append(path)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(DiskFull):
        write_sources(tmp_path / SOURCES, world, book)
    assert list(tmp_path.iterdir()) == []
