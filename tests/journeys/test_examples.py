"""The examples do what they say."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import HOME
from tests.journeys.commands import farthing

EXAMPLES = sorted(path.parent for path in (HOME / "examples").glob("*/run"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_comes_to_the_sums_it_states(example, tmp_path):
    folder = tmp_path / example.name
    shutil.copytree(example, folder, ignore=shutil.ignore_patterns(".farthing"))
    launcher = tmp_path / "bin" / "farthing"
    launcher.parent.mkdir()
    launcher.write_text(
        f"#!/bin/sh\nPYTHONPATH={os.pathsep.join(sys.path)} exec {sys.executable} "
        '-c "from farthing.cli.main import main; main()" "$@"\n'
    )
    launcher.chmod(0o755)
    ran = subprocess.run(
        [folder / "run"],
        env={"PATH": f"{launcher.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    told = json.loads(farthing("report", "--json", folder=folder).stdout)
    expected = json.loads((folder / "expected.json").read_text())
    assert {name: told[name] for name in expected} == expected


def test_every_example_is_listed():
    listed = (HOME / "examples" / "README.md").read_text()
    assert EXAMPLES
    assert [path.name for path in EXAMPLES if f"[{path.name}]({path.name}/run)" not in listed] == []
