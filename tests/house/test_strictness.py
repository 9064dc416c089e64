"""A skip says why, counts as a failure under strictness, and no room outgrows its budget."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.house.tree import HOME


@pytest.fixture
def run(tmp_path):
    """Run one test file, placed in a room, under our own conftest."""

    def run(text, strict=True, budget=60, room="unit/attic"):
        folder = tmp_path / "tests" / room
        folder.mkdir(parents=True)
        (folder / "test_it.py").write_text(text)
        shutil.copy(HOME / "tests" / "conftest.py", tmp_path / "tests")
        (tmp_path / "tests" / "budgets.toml").write_text(f'[seconds]\n"{room}" = {budget}\n')
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  gpu\n  online\n  needs\n")
        environment = {
            **os.environ,
            "FARTHING_TEST_STRICT": str(int(strict)),
            "FARTHING_CORPUS": str(tmp_path / "nowhere"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "tests"]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


SKIPPED = "import pytest\n\n{mark}\ndef test_it():\n    pytest.skip('no elephant here')\n"


def test_a_skip_is_a_failure_under_strictness_and_says_why(run):
    done = run(SKIPPED.format(mark=""))
    assert done.returncode == 1
    assert "no elephant here" in done.stdout


def test_a_skip_is_a_skip_without_strictness(run):
    done = run(SKIPPED.format(mark=""), strict=False)
    assert done.returncode == 0
    assert "no elephant here" in done.stdout


@pytest.mark.parametrize("mark", ["gpu", "online"])
def test_a_test_for_an_accelerator_or_the_internet_may_be_skipped(run, mark):
    assert run(SKIPPED.format(mark=f"@pytest.mark.{mark}")).returncode == 0


def test_a_module_that_skips_itself_is_a_failure_too(run):
    done = run("import pytest\npytest.importorskip('no_such_module')\n")
    assert done.returncode != 0
    assert "no_such_module" in done.stdout


def test_a_test_that_lacks_its_program_is_skipped_by_name(run):
    text = "import pytest\n\n@pytest.mark.needs('no-such-server')\ndef test_it(): ...\n"
    done = run(text, strict=False)
    assert done.returncode == 0
    assert "no-such-server is not installed" in done.stdout


def test_a_test_that_lacks_its_data_is_skipped_with_the_place(run):
    done = run("def test_it(corpus): ...\n", strict=False)
    assert done.returncode == 0
    assert "point FARTHING_CORPUS at it" in done.stdout


def test_a_room_far_over_its_budget_fails(run):
    text = "import time\n\ndef test_it():\n    time.sleep(0.05)\n"
    done = run(text, budget=0.01)
    assert done.returncode == 1
    assert "OVER 3 TIMES ITS BUDGET" in done.stdout


def test_a_room_without_a_budget_fails(run):
    done = run("def test_it(): ...\n", budget=0)
    assert done.returncode == 1
