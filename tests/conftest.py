"""Fixtures that any test may ask for."""

import os
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of recorded real data. It is not part of the project; skips where absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FARTHING_CORPUS", beside))
    if not folder.is_dir():
        pytest.skip(f"no recorded data in {folder}; set FARTHING_CORPUS to where it is")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN
