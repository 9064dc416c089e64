"""What a reader sees: the tables' rows, in the schema's types, by the day."""

from __future__ import annotations

from pathlib import Path

import pytest

from farthing.ledger import engine, schema
from farthing.ledger.workspace import Workspace


@pytest.mark.parametrize("table", schema.TABLES, ids=lambda table: table.name)
def test_an_empty_workspace_has_empty_views_of_the_right_types(
    tmp_path: Path, table: schema.Table
) -> None:
    con = engine.connect(Workspace.open(tmp_path))
    assert con.sql(f"SELECT count(*) FROM {table.name}").fetchall() == [(0,)]
    shape = con.sql(f"DESCRIBE {table.name}").fetchall()
    assert shape == con.sql(f"DESCRIBE {table.empty()}").fetchall()


def test_times_are_utc_and_nothing_is_fetched_from_the_net(tmp_path: Path) -> None:
    con = engine.connect(Workspace.open(tmp_path), threads=1, memory="100MB")
    settings = dict(con.sql("SELECT name, value FROM duckdb_settings()").fetchall())
    assert settings["TimeZone"] == "UTC"
    assert settings["threads"] == "1"
    assert settings["memory_limit"].startswith("95.3")
    assert settings["autoinstall_known_extensions"] == "false"
    assert settings["autoload_known_extensions"] == "false"
