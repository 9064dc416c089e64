"""Where farthing meets the world: pipes, terminals, closed streams, odd folders, bad settings."""

import os
import subprocess
from contextlib import suppress

import pytest

from tests.imports import HEADER, LINE
from tests.journeys.commands import COMMAND, farthing


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A ledger whose names are as odd as names may be."""
    folder = tmp_path_factory.mktemp("home")
    odd = [LINE.replace("search", name) for name in ("[/foo]", "[red]x", "\x1b[31mred", ":skull:")]
    many = "".join(LINE.replace("100", str(n)) for n in range(1, 3000))
    (folder / "log.csv").write_text(HEADER + "".join(odd) + many)
    (folder / "one.csv").write_text(HEADER + LINE)
    done = farthing("import", "log.csv", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_names_from_a_log_are_shown_as_they_are_and_command_no_terminal(home):
    shown = farthing("report", folder=home)
    assert shown.returncode == 0, shown.stderr
    assert all(name in shown.stdout for name in ("[/foo]", "[red]x", "�[31mred", ":skull:"))
    assert "\x1b" not in shown.stdout
    listed = farthing("calls", folder=home)
    assert (listed.returncode, "\x1b" in listed.stdout) == (0, False)


def test_a_reader_that_leaves_is_no_error(home):
    with subprocess.Popen(
        [*COMMAND, "calls", "--jsonl"], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


def test_an_output_without_room_is_unavailable(home):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = farthing("report", folder=home, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr.startswith("farthing: The output: No space left on device.")
    assert len(done.stderr.splitlines()) == 1


def _closing(stream):
    def close():
        with suppress(OSError):
            os.close(stream)

    return close


def test_a_closed_output_is_not_written_to(home):
    done = farthing("report", folder=home, preexec_fn=_closing(1))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_input_is_refused(home):
    done = farthing("import", "-", folder=home, preexec_fn=_closing(0))
    assert done.returncode == 2
    assert "standard input is closed" in done.stderr


def test_an_input_named_twice_is_read_once(home):
    done = farthing("import", "-", "-", folder=home, input=HEADER + LINE)
    assert done.returncode == 0, done.stderr


def test_what_is_no_file_is_named(home):
    os.mkfifo(home / "pipe")
    (home / "folder").mkdir()
    piped = farthing("import", "pipe", folder=home)
    assert (piped.returncode, "farthing import - < pipe" in piped.stderr) == (2, True)
    empty = farthing("import", "folder", folder=home)
    assert (empty.returncode, "no file in this folder" in empty.stderr) == (2, True)
    (home / "log[1].csv").write_text(HEADER + LINE)
    assert farthing("import", "log[1].csv", folder=home).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "--since", "99999999d"], "further away than dates go"),
        (["report", "--by", "tag."], "--by takes"),
        (["report", "--where", "model>3"], "Cannot read the filter"),
        (["import", "one.csv", "--map", "tag.=team"], "there is no field 'tag.'"),
        (["import", "one.csv", "--as", "nope"], "No importer is called 'nope'"),
        (["--workspace", "/proc/nowhere", "import", "one.csv"], "/proc/nowhere"),
        (["--workspace", "nowhere", "report"], "farthing import FILE"),
        (["report", "--limit", "many"], "--limit"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_that_cannot_be_is_refused_in_words(home, arguments, words):
    done = farthing(*arguments, folder=home)
    assert done.returncode in {2, 3}, done.stderr
    assert words in done.stderr
    assert "defect" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('memory = "lots"', 'memory = "lots" is no size'),
        ('[[allocate]]\nmatch = "x"\nteam = "a"', "[[allocate]] entry 1: Cannot read the filter"),
        ('[[splits]]\nmatch = "x"', "[[splits]] entry 1: Cannot read the filter"),
        ('currency_rates = "huge.csv"', "huge.csv:2: EUR at"),
        ('currency_rates = "wide.csv"', "wide.csv: the text is not UTF-8"),
        ("a = [", "is not valid TOML"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_its_place(tmp_path, settings, words):
    (tmp_path / "farthing.toml").write_text(settings)
    (tmp_path / "huge.csv").write_text("date,currency,usd\n2026-10-01,EUR,99999999999999999999\n")
    (tmp_path / "wide.csv").write_bytes(b"\xff\xfe")
    (tmp_path / "log.csv").write_text(HEADER + LINE)
    done = farthing("import", "log.csv", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr


def test_a_ledger_that_lost_a_file_is_not_taken_for_a_bad_source(tmp_path):
    (tmp_path / "log.csv").write_text(HEADER + LINE)
    assert farthing("import", "log.csv", folder=tmp_path).returncode == 0
    (kept,) = tmp_path.glob(".farthing/tables/calls/day=*/*.parquet")
    kept.write_bytes(kept.read_bytes()[:100])
    for command in (["report"], ["import", "log.csv"]):
        done = farthing(*command, folder=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "workspace from a backup" in done.stderr
        assert "log.csv" not in done.stderr
