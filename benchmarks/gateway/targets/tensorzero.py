"""TensorZero from PyPI: the gateway inside its Python package, with observability off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from benchmarks.gateway import cpu
from benchmarks.gateway.load import Door
from benchmarks.gateway.servers import Place, Server, dev, started, wait_for

NAME = "TensorZero"
SETTINGS = """
[gateway]
observability.enabled = false

[models."gpt-4o-mini"]
routing = ["mock"]

[models."gpt-4o-mini".providers.mock]
type = "openai"
api_base = "http://127.0.0.1:{upstream}/v1/"
model_name = "gpt-4o-mini"
api_key_location = "none"
"""
# The package serves its gateway over HTTP for an OpenAI client that it patches; anything with a
# base URL will do for one.
PROGRAM = """
import signal, sys, types, tensorzero
client = types.SimpleNamespace()
tensorzero.patch_openai_client(client, config_file=sys.argv[1], async_setup=False)
print("at", client.base_url, flush=True)
signal.pause()
"""


@contextmanager
def serve(place: Place) -> Iterator[Server]:
    python = dev().environment("bench-tensorzero") / "bin" / "python"
    file = place.folder / "tensorzero.toml"
    file.write_text(SETTINGS.format(upstream=place.upstream))

    def url() -> str | None:
        lines = (place.folder / "out").read_text().splitlines()
        return next((line.removeprefix("at ") for line in lines if line.startswith("at ")), None)

    with started([python, "-c", PROGRAM, file], place) as process:
        parts = urlsplit(wait_for(url, process, place))
        model = "tensorzero::model_name::gpt-4o-mini"
        door = Door(parts.port or 80, f"{parts.path}/chat/completions", model)
        yield Server(NAME, door, cpu.family(process.pid))
