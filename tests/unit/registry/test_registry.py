"""Plugins are found in a folder or by entry point, and a broken one harms nobody."""

import sys

import pytest

from farthing.registry import KINDS, Broken, Kind, Plugin, find, plugins

PACKAGE = "zoo"
KIND = Kind("animal", f"{PACKAGE}.animals", "ANIMAL", f"{PACKAGE}.seam:Animal")
SEAM = """
from typing import ClassVar, Protocol

class Animal(Protocol):
    name: ClassVar[str]

    def speak(self) -> str: ...
"""
ANIMAL = """
class Animal:
    name = {name!r}

    def speak(self):
        return "…"

ANIMAL = Animal()
"""


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """Write modules of a package `zoo`, by name; a plain name lies among its animals."""
    (tmp_path / PACKAGE / "animals").mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    (tmp_path / PACKAGE / "animals" / "__init__.py").touch()
    (tmp_path / PACKAGE / "seam.py").write_text(SEAM)
    monkeypatch.syspath_prepend(tmp_path)

    def write(**modules):
        for name, text in modules.items():
            (tmp_path / PACKAGE / "animals" / f"{name}.py").write_text(text)
        return tmp_path

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def install(folder, name, group, reference):
    """Another package, as pip leaves it behind, that offers one plugin."""
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {reference}\n")


def test_a_new_file_in_the_folder_is_a_new_plugin(zoo):
    zoo(owl=ANIMAL.format(name="owl"), ape=ANIMAL.format(name="ape"))
    assert [plugin.name for plugin in plugins(KIND)] == ["ape", "owl"]
    assert find(KIND)[0].origin == "zoo.animals.ape"


def test_a_module_with_an_underscore_is_no_plugin(zoo):
    zoo(_tools="raise RuntimeError", owl=ANIMAL.format(name="owl"))
    assert [plugin.name for plugin in find(KIND)] == ["owl"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("", "no attribute 'ANIMAL'"),
        ("class ANIMAL:\n    name = 'mute'", "ANIMAL lacks speak"),
    ],
)
def test_a_broken_plugin_is_a_value_with_a_reason_beside_those_that_work(zoo, text, reason):
    zoo(broken=text, owl=ANIMAL.format(name="owl"))
    broken, owl = find(KIND)
    assert isinstance(broken, Broken)
    assert reason in broken.reason
    assert "\n" not in broken.reason
    assert isinstance(owl, Plugin)
    assert [plugin.name for plugin in plugins(KIND)] == ["owl"]


def test_another_package_offers_a_plugin_by_entry_point(zoo):
    folder = zoo(owl=ANIMAL.format(name="owl"))
    (folder / "safari.py").write_text(ANIMAL.format(name="lion"))
    install(folder, "safari", KIND.folder, "safari:ANIMAL")
    assert [(found.name, found.origin) for found in find(KIND)] == [
        ("owl", "zoo.animals.owl"),
        ("lion", "safari 1.2"),
    ]


def test_a_name_that_is_taken_is_reported_and_the_first_one_stays(zoo):
    folder = zoo(owl=ANIMAL.format(name="owl"))
    (folder / "copycat.py").write_text(ANIMAL.format(name="owl"))
    install(folder, "copycat", KIND.folder, "copycat:ANIMAL")
    first, second = find(KIND)
    assert isinstance(first, Plugin)
    assert isinstance(second, Broken)
    assert "zoo.animals.owl" in second.reason


def test_a_kind_whose_room_is_not_built_has_no_plugins():
    assert find(Kind("ghost", "farthing.attic.ghosts", "GHOST", "farthing.attic:Ghost")) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_plugin_that_ships_works(kind):
    assert [found for found in find(kind) if isinstance(found, Broken)] == []
