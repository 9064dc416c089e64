"""The simulator as a process of its own, for tests that need one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Its URL, while it runs."""
    command = [sys.executable, "-m", "farthing.providers.simulator", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.wait(10)


def attempts(url: str) -> dict:
    with urlopen(f"{url}/sim/attempts") as answer:  # loopback
        return json.load(answer)
