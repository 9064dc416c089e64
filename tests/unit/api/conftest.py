"""An office that listens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.api.served import Client, serving


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One for all tests of a file."""
    with serving(Path(tmp_path_factory.mktemp("office")) / "ws") as client:
        yield client
