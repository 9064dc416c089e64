"""The page about farthing.toml shows every setting, in an example that farthing accepts."""

import re
import tomllib

import pytest

from farthing.config import (
    Gateway,
    Holder,
    Limit,
    Office,
    Rule,
    Settings,
    Split,
    Telemetry,
    Upstream,
)
from farthing.domain.where import parse
from farthing.prices import contracts
from tests.house.tree import HOME, SOURCE

PAGE = (HOME / "docs" / "configuration.md").read_text()
EXAMPLE = re.search(r"```toml\n(.*?)```", PAGE, re.S)[1]
STRUCTS = [Settings, Upstream, Gateway, Office, Telemetry, Holder, Limit, Rule, Split]
FOUND_BY_LOADING = {"path"}  # where it was read from; nobody sets it


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "farthing.toml").write_text(EXAMPLE)
    return Settings.load(tmp_path)


def test_the_example_is_accepted_to_the_last_filter_and_price(settings, tmp_path):
    assert len(contracts.read(settings.prices, tmp_path / "farthing.toml")) == 2
    for each in (*settings.allocate, *settings.splits):
        assert parse(each.match)


@pytest.mark.parametrize("struct", STRUCTS)
def test_every_setting_is_shown(struct):
    keys = set(re.findall(r"^\[*(\w+)", EXAMPLE, re.M)) | set(tomllib.loads(EXAMPLE))
    assert set(struct.__struct_fields__) - FOUND_BY_LOADING <= keys


def test_every_page_that_a_message_names_exists():
    named = {
        page
        for path in SOURCE.rglob("*.py")
        for page in re.findall(r"\bdocs/[\w/.-]+\.md\b", path.read_text("utf-8"))
    }
    assert "docs/configuration.md" in named
    assert {page for page in named if not (HOME / page).exists()} == set()
