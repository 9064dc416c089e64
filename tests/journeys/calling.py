"""Send many calls at once, and say what came of each."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass
class Answered:
    """`code` is the refusal's or the provider's; `status` 0 where the caller got nothing."""

    status: int
    code: str | None
    headers: dict[str, str]
    body: bytes


def send_all(
    url: str, calls: Iterable[tuple[dict[str, Any], dict[str, str], float]]
) -> list[Answered]:
    """Each call is a chat body, headers and the seconds after which its caller hangs up."""

    async def run() -> list[Answered]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            return await asyncio.gather(*(_send(session, url, *call) for call in calls))

    with warnings.catch_warnings():
        # aiohttp drops the socket of a caller that leaves while it connects, and Python says so.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = asyncio.run(run())
        gc.collect()
    return answers


async def _send(
    session: aiohttp.ClientSession,
    url: str,
    body: dict[str, Any],
    headers: dict[str, str],
    patience: float,
) -> Answered:
    timeout = aiohttp.ClientTimeout(total=patience)
    try:
        async with session.post(
            f"{url}/v1/chat/completions", json=body, headers=headers, timeout=timeout
        ) as answer:
            got = await answer.read()
            code = _code(got) if answer.status >= 400 else None
            return Answered(answer.status, code, dict(answer.headers), got)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Answered(0, None, {}, b"")


def mixed(key: str, count: int, seed: int) -> list[tuple[dict[str, Any], dict[str, str], float]]:
    """Calls of random sizes: a tenth fail, a tenth break off, a tenth are left by their caller."""
    draw = random.Random(seed)
    return [_mixed(draw, key, number) for number in range(count)]


def _mixed(
    draw: random.Random, key: str, number: int
) -> tuple[dict[str, Any], dict[str, str], float]:
    headers = {
        "authorization": f"Bearer {key}",
        "x-sim-latency-ms": str(draw.randint(0, 200)),
    }
    kind = draw.random()
    if kind < 0.1:
        headers["x-sim-error"] = draw.choice(["500", "429", "reset"])
    elif kind < 0.2:
        headers["x-sim-hangup-after"] = str(draw.randint(1, 4))
    body: dict[str, Any] = {
        "model": draw.choice(["sim-small", "sim-medium"]),
        "messages": [{"role": "user", "content": f"{number} " + "x" * draw.randint(1, 2000)}],
        "stream": draw.random() < 0.5,
    }
    if draw.random() < 0.8:
        body["max_tokens"] = draw.randint(1, 800)
    return body, headers, 0.05 if draw.random() < 0.1 else 30.0


def _code(body: bytes) -> str | None:
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return None
