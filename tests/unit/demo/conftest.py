"""One world for all tests of the demo: a small one, drawn once."""

import pytest

from farthing.demo.world import Plan, build
from farthing.prices.book import Book


@pytest.fixture(scope="session")
def plan():
    return Plan(calls=4_000)


@pytest.fixture(scope="session")
def world(plan):
    return build(plan)


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    return Book.load(tmp_path_factory.mktemp("no-configuration"))
