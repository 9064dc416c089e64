"""The documents say what there is: map, contributing, changelog, decisions, locks."""

import re
from dataclasses import replace

import pytest
from typer.main import get_command

from farthing.cli.main import app
from farthing.registry import IMPORTERS, KINDS, Plugin, find, plugins
from tests.house.tree import HOME, ROOMS

MAP = (HOME / "docs" / "map.md").read_text()
BUILT = [kind for kind in KINDS if kind.folder.split(".")[1] in ROOMS]
DECISIONS = sorted((HOME / "docs" / "decisions").glob("*.md"))


def test_the_map_points_to_files_that_exist():
    named = [name for name in re.findall(r"`([^`]+)`", MAP) if re.fullmatch(r"\w[\w./-]+", name)]
    missing = [name for name in named if not (HOME / name).exists()]
    assert len(named) > len(ROOMS)
    assert missing == []


def test_the_map_mentions_every_room():
    rows = set(re.findall(r"^\| (\w+) \|", MAP, re.M))
    assert rows >= ROOMS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_contributing_says_how_to_add_a_plugin_of_every_kind(kind):
    text = (HOME / "CONTRIBUTING.md").read_text()
    assert f"`{kind.constant}`" in text
    assert f"`{kind.protocol.replace(':', '.')}`" in text
    assert f"`{kind.folder}`" in text


@pytest.mark.parametrize("kind", BUILT, ids=lambda kind: kind.name)
def test_the_plugin_that_contributing_shows_is_one(kind, tmp_path, monkeypatch):
    shown = re.findall(r"```python\n(.*?)```", (HOME / "CONTRIBUTING.md").read_text(), re.S)
    (text,) = [block for block in shown if f"\n{kind.constant} = " in block]
    folder = tmp_path / f"shown_{kind.constant.lower()}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "acme.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = find(replace(kind, folder=folder.name))
    assert isinstance(found, Plugin), found
    assert found.name == "acme"
    assert len(text.splitlines()) <= 12


def test_the_changelog_has_an_unreleased_section_with_something_in_it():
    section = (HOME / "CHANGELOG.md").read_text().partition("## Unreleased\n")[2]
    assert section.partition("\n## ")[0].strip().startswith("- ")


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_states_context_choice_and_price(path):
    headings = re.findall(r"^## (.+)$", path.read_text(), re.M)
    assert headings == ["Context", "Choice", "Price paid"]


def test_decisions_are_numbered_without_gaps():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_links_between_documents_lead_somewhere():
    for page in (*HOME.glob("*.md"), *HOME.glob("docs/**/*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_command_is_documented():
    page = (HOME / "docs" / "commands.md").read_text()
    commands = [
        f"farthing {group} {name}".replace("  ", " ")
        for group, listed in _commands(get_command(app)).items()
        for name in listed
    ]
    assert commands
    assert [command for command in commands if f"`{command}" not in page] == []


def test_every_importer_has_a_section():
    page = (HOME / "docs" / "importers.md").read_text()
    anchors = dict(re.findall(r"^\| `(\w+)` \|.*\(#([\w-]+)\) \|$", page, re.M))
    headings = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", page, re.M)}
    names = {each.name for each in plugins(IMPORTERS)}
    assert set(anchors) == names
    assert set(anchors.values()) <= headings


def _commands(group):
    """The commands by the group that holds them; those of the top have none."""
    found = {"": []}
    for name, command in group.commands.items():
        if inner := getattr(command, "commands", None):
            found[name] = list(inner)
        else:
            found[""].append(name)
    return found
