"""The tree holds what is ours: no machine's paths, no addresses in locks, nothing built."""

import ast
import json
import re

import pytest

from tests.house.tree import HOME, files, python_files

TEXTS = {path.relative_to(HOME).as_posix(): path for path in files()}
NPM_LOCKS = sorted(name for name in TEXTS if name.endswith("package-lock.json"))
LOCKS = NPM_LOCKS + sorted(name for name in TEXTS if name.startswith("requirements/"))
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:" + "|".join(["work", "farm", "root", "home"]) + ")/")
ADDRESS = re.compile(r"https?:|file:|git\+|--(?:extra-)?index|--find-links")
REGISTRY = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|" + "simple" + r"/?['\"]?$")


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(HOME)))
def test_the_first_line_of_a_file_says_its_one_idea(path):
    documented = ast.get_docstring(ast.parse(path.read_text("utf-8")), clean=False)
    if not path.read_text("utf-8").strip():
        return  # an empty __init__.py of a test folder
    assert documented, "begin the file with a docstring"
    first = documented.splitlines()[0]
    assert first.endswith((".", "?", "…", '."')), f"one whole sentence on the first line: {first!r}"
    assert len(first) <= 100


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_place_to_fetch_from(name):
    assert not ADDRESS.findall(TEXTS[name].read_text())


@pytest.mark.parametrize("name", [name for name in LOCKS if name.endswith(".txt")])
def test_every_locked_package_is_pinned_by_hash(name):
    pins = re.split(r"\n(?=\S)", TEXTS[name].read_text().strip())
    assert pins
    assert [pin for pin in pins if not re.match(r"[\w.-]+==\S+.*--hash=sha256:", pin, re.S)] == []


@pytest.mark.parametrize("name", NPM_LOCKS)
def test_every_npm_package_is_pinned_by_hash(name):
    packages = json.loads(TEXTS[name].read_text())["packages"]
    assert all(each.get("integrity") for path, each in packages.items() if path)


def test_no_file_speaks_of_this_machine_or_of_a_registry():
    found = [
        f"{name}:{number}"
        for name, path in TEXTS.items()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if MACHINE_PATH.search(line) or REGISTRY.search(line)
        if name != "tests/house/test_tree.py"
    ]
    assert found == []


def test_the_core_lock_is_part_of_the_development_lock():
    def pins(name):
        return set(re.findall(r"^[\w.-]+==\S+", TEXTS[name].read_text(), re.M))

    assert pins("requirements/core.txt") <= pins("requirements/dev.txt")


def test_the_core_stays_small_and_nothing_locked_was_ever_compromised():
    core, everything = (
        set(re.findall(r"^([\w.-]+)==", TEXTS[f"requirements/{name}.txt"].read_text(), re.M))
        for name in ("core", "dev")
    )
    assert not core & {"pandas", "pyarrow", "scipy", "torch"}
    assert "litellm" not in everything
