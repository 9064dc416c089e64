"""Sources and golden cases for the importers' tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

GOLDEN = Path(__file__).parents[3] / "golden" / "importers"


@dataclass(frozen=True)
class Bytes:
    """A source held in memory."""

    content: bytes
    name: str = "given.jsonl"

    @property
    def path(self) -> Path:
        return Path(self.name)

    @property
    def head(self) -> bytes:
        return self.content[: 64 * 1024]

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)


@pytest.fixture
def given() -> Callable[[str | bytes], Bytes]:
    """A source with this content."""

    def source(content: str | bytes) -> Bytes:
        return Bytes(content.encode() if isinstance(content, str) else content)

    return source


@pytest.fixture
def golden() -> Callable[[str], Bytes]:
    """A source with the content of a golden file, `openai_usage/completions.json`."""

    def source(name: str) -> Bytes:
        return Bytes((GOLDEN / name).read_bytes(), name)

    return source
