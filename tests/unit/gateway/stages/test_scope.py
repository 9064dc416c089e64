"""Who is remembered, and that what callers make up cannot fill the memory."""

import asyncio
import json
import tracemalloc
from datetime import UTC, datetime
from types import SimpleNamespace

from farthing.access.keys import Key
from farthing.gateway.exchange import Exchange
from farthing.gateway.headers import Lists, Names
from farthing.gateway.stages.scope import Scope
from farthing.providers.protocols import openai_chat

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
KEY = Key(id="k", tenant="t", scope={"team": "search"}, created_at=datetime.now(UTC))
LISTS = Lists(Names)
MANY, MB = 30, 1 << 20


async def passed(scope, body, headers=()):
    """The call as the next stage gets it."""
    headers = list(headers)
    x = Exchange("1", 1.0, 1.0, headers, LISTS.of(headers))
    x.protocol, x.key = openai_chat.PROTOCOL, KEY

    async def receive():
        return {"type": "http.request", "body": json.dumps({**CHAT, **body}).encode()}

    async def rest(_):
        pass

    x.receive = receive
    await scope(x, rest)
    return x


def scope():
    return Scope(SimpleNamespace(rules=(), knobs=None, most_body=64 << 20))


def grown(calls):
    """What stays in memory of calls, each a body and headers."""
    stage = scope()

    async def run():
        for body, headers in calls:
            await passed(stage, body, headers)

    tracemalloc.start()
    asyncio.run(run())
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept


def test_equal_callers_stand_alike_and_others_do_not():
    async def run():
        stage, team = scope(), (b"x-farthing-feature", b"a")
        one, two = [await passed(stage, {"user": "u"}, [team]) for _ in range(2)]
        other = await passed(stage, {"user": "v"}, [team])
        assert one.standing is two.standing
        assert other.standing is not one.standing
        assert (one.facts["user"], other.facts["user"]) == ("u", "v")

    asyncio.run(run())


def test_long_names_of_users_are_not_remembered():
    assert grown(({"user": f"{n}" + "u" * MB}, ()) for n in range(MANY)) < MB


def test_long_names_of_labels_are_not_remembered():
    assert grown(({"metadata": {f"{n}" + "l" * MB: "x"}}, ()) for n in range(MANY)) < MB


def test_labels_that_decide_nothing_are_not_remembered_in_masses():
    def said(n):
        return [(b"x-farthing-team", b"%d %d" % (n, place) + b"t" * 150) for place in range(250)]

    assert grown(({}, said(n)) for n in range(200)) < MB
