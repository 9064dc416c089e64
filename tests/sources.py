"""Sources for importers: in memory, and the golden files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from farthing.ledger.importer import Importer

GOLDEN = Path(__file__).parent / "golden" / "importers"
# `importer/file`; what it must read as lies beside it, in `file.yaml`.
CASES = sorted(
    str(path.relative_to(GOLDEN)) for path in GOLDEN.glob("*/*") if path.suffix != ".yaml"
)


@dataclass(frozen=True)
class Bytes:
    """A source held in memory; satisfies `importer.Source`."""

    content: bytes
    name: str = "calls.json"

    @property
    def path(self) -> Path:
        return Path(self.name)

    @property
    def head(self) -> bytes:
        return self.content[: 64 * 1024]

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)


def importer(name: str) -> Importer:
    found: Importer = import_module(f"farthing.ledger.importers.{name}").IMPORTER
    return found


def source(content: str) -> Bytes:
    return Bytes(content.encode())


def golden(name: str) -> Bytes:
    """A golden file, `openai_usage/completions.json`."""
    return Bytes((GOLDEN / name).read_bytes(), name)
