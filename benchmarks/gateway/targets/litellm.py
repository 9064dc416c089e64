"""LiteLLM's proxy from PyPI, one worker, with a master key and no database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.gateway import cpu
from benchmarks.gateway.load import Door
from benchmarks.gateway.servers import Place, Server, answers, dev, free_port, started, wait_for

NAME = "LiteLLM"
KEY = "sk-bench"
SETTINGS = """
model_list:
  - model_name: gpt-4o-mini
    litellm_params:
      model: openai/gpt-4o-mini
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: none
general_settings:
  master_key: {key}
"""
QUIET = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


@contextmanager
def serve(place: Place) -> Iterator[Server]:
    program = dev().environment("bench-litellm") / "bin" / "litellm"
    port = free_port()
    file = place.folder / "config.yaml"
    file.write_text(SETTINGS.format(upstream=place.upstream, key=KEY))
    command = [program, "--config", file, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--num_workers", "1", "--telemetry", "False"]
    with started(command, place, QUIET) as process:
        wait_for(lambda: answers(port), process, place)
        door = Door(port, headers={"authorization": f"Bearer {KEY}"})
        yield Server(NAME, door, cpu.family(process.pid), slow=True)
