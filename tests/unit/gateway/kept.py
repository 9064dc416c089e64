"""Answers to keep, for tests."""

from __future__ import annotations

from farthing.domain.money import Money
from farthing.gateway.memory import Kept
from farthing.gateway.purges import Whose

HEADERS = [(b"content-type", b"application/json"), (b"x-request-id", b"req_0123456789")]
LATER = 4e9  # epoch seconds


def whose(tenant="search", team="search", customer=None, model="gpt-4o-mini", served=None):
    return Whose(tenant, team, customer, model, served)


def kept(body=b'{"answer": 4}', *, usd="0.01", until=LATER, of=None, headers=HEADERS):
    cost = None if usd is None else Money.of(usd)
    chunks = body if isinstance(body, tuple) else (body,)
    return Kept(200, list(headers), chunks, cost, until, of or whose())
