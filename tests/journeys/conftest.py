"""A gateway that a module's tests share."""

from collections.abc import Iterator

import pytest

from tests.gateways import Up, key, up


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Iterator[Up]:
    """`farthing up` over the simulator in process, with a key as `demo_key`."""
    folder = tmp_path_factory.mktemp("simulated")
    models = 'models = ["sim-small", "sim-medium", "sim-large", "sim-embed"]\n'
    (folder / "farthing.toml").write_text(f'[providers.simulator]\nkind = "simulator"\n{models}')
    made = key(folder)
    with up(folder) as started:
        started.demo_key = made["key"]
        yield started
