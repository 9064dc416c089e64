"""Import a text as a user would, into a workspace of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from farthing.config import Settings
from farthing.ledger import engine
from farthing.ledger.importer import Options
from farthing.ledger.intake import Rim, Summary, import_files
from farthing.ledger.workspace import Workspace
from farthing.registry import IMPORTERS, plugins

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HEADER = "time,provider,model,input_tokens,output_tokens,team\n"
LINE = "2026-10-01T00:00:00Z,openai,gpt-4o,100,50,search\n"


class Desk:
    """A workspace and what a user does with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = Workspace.open(folder / "ws")

    def write(self, name: str, content: str | bytes) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def configure(self, text: str) -> None:
        (self.workspace.root / "farthing.toml").write_text(text)

    def take(self, *files: Path | str, kind: str | None = None, **options: Any) -> Summary:
        """Import files. Every import is held to account for each of its rows."""
        settings = Settings.load(self.workspace.root)
        rim = Rim(tuple(plugins(IMPORTERS)), lambda: NOW)
        names = [str(file) for file in files]
        summary = import_files(self.workspace, settings, rim, names, Options(**options), kind=kind)
        told = (summary.added, summary.duplicates, summary.quarantined)
        assert summary.rows == sum(told), summary
        return summary

    def take_text(self, content: str | bytes, name: str = "log.csv", **options: Any) -> Summary:
        return self.take(self.write(name, content), **options)

    @contextmanager
    def ledger(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with engine.connect(self.workspace) as connection:
            yield connection

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.ledger() as connection:
            return connection.execute(query).fetchall()
