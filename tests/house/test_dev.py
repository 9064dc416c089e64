"""The set-up script needs Python alone, and make offers what it offers."""

import ast
import re
import subprocess
import sys

import pytest

from tests.house import tree
from tests.house.tree import HOME, files

MAKE = (HOME / "Makefile").read_text()


@pytest.fixture(scope="module")
def dev():
    return tree.dev()


def test_it_imports_nothing_but_the_standard_library():
    tree = ast.parse((HOME / "dev").read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def test_make_has_a_target_for_every_command(dev):
    assert re.search(r"COMMANDS := (.+)", MAKE)[1].split() == list(dev.COMMANDS)


def test_its_help_explains_every_command(dev):
    command = [sys.executable, "-S", str(HOME / "dev"), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name, function in dev.COMMANDS.items():
        assert f"  {name:7}{function.__doc__}" in shown


def test_every_program_that_a_test_needs_can_be_installed(dev):
    needed = {
        program
        for path in files()
        if path.is_relative_to(HOME / "tests") and path.suffix == ".py"
        for program in re.findall(r'mark\.needs\("([^"]+)"\)', path.read_text())
    }
    assert needed <= set(dev.PROGRAMS)


def test_where_pip_looks_uv_looks_too(dev):
    listing = (
        ":env:.cert='ours.pem'\n"
        "global.cert='theirs.pem'\n"
        "global.extra-index-url='two three'\n"
        "global.find-links='\\nfour\\nfive'\n"
        "global.index-url='one'\n"
        "global.timeout='180'\n"
    )
    assert dev._in_uv_words(listing) == {
        "SSL_CERT_FILE": "ours.pem",
        "UV_DEFAULT_INDEX": "one",
        "UV_INDEX": "two three",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "four,five",
    }


def test_only_the_index_has_a_say_in_a_lock(dev):
    listing = "global.extra-index-url='two'\nglobal.index-url='one'\n"
    assert dev._in_uv_words(listing, ["index-url"]) == {"UV_DEFAULT_INDEX": "one"}
