"""Every reader makes of a provider's bytes what the golden cases say, however they are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from farthing.providers.transport.http1 import PooledTransport
from farthing.providers.transport.through_aiohttp import AiohttpTransport
from farthing.providers.transport.wire import Transport
from farthing.testing.servers import Heard, closing, heard, provider, saying
from tests.unit.providers.transport.reference import h11_hears

GOLDEN = Path(__file__).parents[3] / "golden" / "http_answers.yaml"
CASES: list[dict[str, Any]] = yaml.safe_load(GOLDEN.read_text("utf-8"))
SMALL = 220  # bytes up to which an answer is cut at every place


def each() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])


@each()
async def test_our_client_reads_it_right(case: dict[str, Any]) -> None:
    await _reads_right(PooledTransport(), case, _expected(case, "ours"))


@each()
async def test_aiohttp_reads_it_the_same_or_the_case_says_why_not(case: dict[str, Any]) -> None:
    await _reads_right(AiohttpTransport(), case, _expected(case, "aiohttp"))


@each()
def test_h11_reads_it_the_same_or_the_case_says_why_not(case: dict[str, Any]) -> None:
    sent, ends = case["sends"].encode("latin-1"), case.get("then", "keep") != "keep"
    found = h11_hears([sent], method=case.get("method", "POST"), ends=ends)
    assert _shown(found) == _expected(case, "h11")
    assert found is None or _expected(case, "ours") is not None or "because" in case


@pytest.mark.asyncio(loop_factories=["uvloop"])  # the gateway's; both would take twice as long
@each()
async def test_our_client_reads_it_right_wherever_it_is_cut(case: dict[str, Any]) -> None:
    sent = case["sends"].encode("latin-1")
    if len(sent) > SMALL:
        pytest.fail("keep the case small: it is cut at every place")
    for at in range(1, len(sent)):
        await _reads_right(PooledTransport(), case, _expected(case, "ours"), sent[:at], sent[at:])


async def _reads_right(
    transport: Transport, case: dict[str, Any], expected: object, *parts: bytes
) -> None:
    serve = saying(*(parts or (case["sends"].encode("latin-1"),)), then=case.get("then", "keep"))
    method = case.get("method", "POST")
    async with provider(serve) as it, closing(transport):
        assert _shown(await heard(transport, it, method)) == expected
        # Garbage that comes late meets the next request, and no reader could tell.
        kept = case.get("kept", False)
        if "kept" in case and (kept or not parts) and isinstance(transport, PooledTransport):
            assert _shown(await heard(transport, it, method)) == expected
            assert it.connections == (1 if kept else 2)


def _expected(case: dict[str, Any], reader: str) -> object:
    gives = case.get(reader, case["gives"])
    if gives == "lost":
        return None
    headers = gives.get("headers", {})
    pairs = [tuple(pair) for pair in (headers.items() if isinstance(headers, dict) else headers)]
    return gives["status"], pairs, gives["body"]


def _shown(found: Heard) -> object:
    if found is None:
        return None
    status, headers, body = found
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    return status, pairs, body.decode("latin-1")
