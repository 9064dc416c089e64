"""farthing with everything on: a key, a hard budget, the cache, and a durable journal."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.gateway import cpu
from benchmarks.gateway.load import HITS, Door
from benchmarks.gateway.servers import Absent, Place, Server, started, wait_for

NAME = "farthing"
PROGRAM = Path(sys.executable).parent / "farthing"
SETTINGS = """
[providers.mock]
kind = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = "env:FARTHING_BENCH_KEY"
models = ["gpt-4o-mini"]
priced_as = "openai"
"""
POLICY = """
[cache]
mode = "on"
ttl = "1h"
max_disk_mb = 0
"""
BUDGET = "100000/month"  # hard, and never reached: every call holds, none waits


@contextmanager
def serve(place: Place) -> Iterator[Server]:
    if _run(place, "up", "--help").returncode:
        raise Absent("has no `farthing up` yet")
    (place.folder / "farthing.toml").write_text(SETTINGS.format(upstream=place.upstream))
    key = made_key(place)

    up = [*_farthing(place), "up", "--gateway-port", "0", "--office-port", "0", "--json"]
    with started(up, place, {"FARTHING_BENCH_KEY": "sk-upstream"}) as process:
        port = wait_for(lambda: _gateway_port(place), process, place)
        bearer = {"authorization": f"Bearer {key}"}
        door = Door(port, headers=bearer)
        everyone = cpu.family(process.pid)
        # The supervisor holds the socket as well, and what the gateway starts may inherit it.
        gateway = [pid for pid in everyone if pid in cpu.listeners(port)][1:2]
        beside = [pid for pid in everyone if pid not in gateway]
        yield Server(NAME, door, gateway, beside, _doubts(door), caches=True)


def made_key(place: Place) -> str:
    """A key with a hard budget, under a policy with the cache on."""
    made = _run(place, "key", "create", "--team", "bench", "--hard-budget", BUDGET, "--json")
    if made.returncode:
        raise Absent(f"gave no key: {made.stdout}{made.stderr}")
    (place.folder / "policy.toml").write_text(POLICY)
    policy = _run(place, "policy", "set", place.folder / "policy.toml")
    if policy.returncode:
        raise Absent(f"took no policy: {policy.stdout}{policy.stderr}")
    return str(json.loads(made.stdout)["key"])


def _doubts(door: Door) -> list[str]:
    """What is not on, told from how two equal calls are answered."""
    asked = HITS.render(door)().partition(b"\r\n\r\n")[2]
    said = [_cache(door, asked), _cache(door, asked)]
    return [] if said == ["miss", "hit"] else [f"two equal calls were {said}, not miss and hit"]


def _cache(door: Door, body: bytes) -> str:
    connection = HTTPConnection(door.host, door.port, timeout=10)
    headers = {"content-type": "application/json", **door.headers}
    connection.request("POST", door.path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return f"{answer.headers.get('x-farthing-cache')}"


def _gateway_port(place: Place) -> int | None:
    for line in (place.folder / "out").read_text().splitlines():
        if line.startswith("{"):
            return urlsplit(str(json.loads(line)["gateway"])).port
    return None


def _farthing(place: Place) -> list[str | Path]:
    return [PROGRAM, "--workspace", place.folder]


def _run(place: Place, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*_farthing(place), *arguments]
    return subprocess.run(command, cwd=place.folder, capture_output=True, text=True, check=False)
