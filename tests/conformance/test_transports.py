"""Both ways to a provider keep the same promises, on both event loops."""

import asyncio

import pytest
import uvloop

from farthing.providers.transport.http1 import PooledTransport
from farthing.providers.transport.through_aiohttp import AiohttpTransport
from farthing.testing.transports import CHECKS

TRANSPORTS = {"ours": PooledTransport, "aiohttp": AiohttpTransport}
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("loop", LOOPS)
def test_a_transport_keeps_its_promises(loop, transport, check):
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(check(TRANSPORTS[transport]))
