"""`farthing plugins` shows what was found and what is broken."""

import json

import pytest
import typer
from typer.testing import CliRunner

from farthing import registry
from farthing.cli import plugins

app = typer.Typer()
app.command()(plugins.plugins)


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_every_plugin_found_is_listed_with_its_origin(run):
    rows = json.loads(run("--json").stdout)
    found = [(kind.name, each.name) for kind in registry.KINDS for each in registry.find(kind)]
    assert [(row["kind"], row["name"]) for row in rows] == found


def test_a_broken_plugin_is_listed_with_its_reason_and_ends_with_1(run, tmp_path, monkeypatch):
    (tmp_path / "bestiary").mkdir()
    (tmp_path / "bestiary" / "__init__.py").touch()
    (tmp_path / "bestiary" / "unicorn.py").write_text("raise RuntimeError('[only] a myth')")
    monkeypatch.syspath_prepend(tmp_path)
    kind = registry.Kind("animal", "bestiary", "ANIMAL", "farthing.ledger.importer:Importer")
    monkeypatch.setattr(plugins, "KINDS", (kind,))

    done = run("--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == [
        {
            "kind": "animal",
            "name": "unicorn",
            "title": None,
            "origin": "bestiary.unicorn",
            "error": "RuntimeError: [only] a myth",
        }
    ]
    assert "[only] a myth" in run().stdout
