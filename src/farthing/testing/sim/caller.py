"""One caller's two ends of an ASGI call: what it sends, when it leaves, what it was given."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from farthing.testing.sim.traffic import LABEL, Plan

_BUFFER = 600  # bytes that sockets take for a caller that does not read; all is smaller here


class Caller:
    """As uvicorn hands one over: after a hang-up, what is sent to it goes nowhere."""

    def __init__(self, plan: Plan, token: str) -> None:
        self.plan = plan
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.ended = False
        self.gone = False
        self._news: asyncio.Future[None] | None = None
        body = plan.question.body
        if plan.broken_body:
            body = body[: len(body) // 2]
        half = len(body) // 2 if plan.number % 3 == 0 else 0
        self._parts = [body[:half], body[half:]] if half else [body]
        self.scope = _scope(plan, token, len(body))

    async def receive(self) -> MutableMapping[str, Any]:
        if self._parts and not self.gone:
            part = self._parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self._parts)}
        if not (self.gone or self.ended):
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self.gone:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
            return
        if len(self.body) + len(message["body"]) > _BUFFER:
            if self.plan.stalls:
                await asyncio.get_running_loop().create_future()
            if self.plan.pause:
                await asyncio.sleep(self.plan.pause)
        self.body += message["body"]
        if not message.get("more_body"):
            self.ended = True
            self._tell()

    def leave(self) -> None:
        if not self.ended:
            self.gone = True
            self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


def _scope(plan: Plan, token: str, size: int) -> dict[str, Any]:
    question = plan.question
    headers = [
        *question.headers,
        (b"authorization", b"Bearer " + token.encode()),
        (b"content-length", b"%d" % size),
        (b"x-farthing-" + LABEL.replace("_", "-").encode(), b"%d" % plan.number),
    ]
    said = {
        b"x-farthing-customer": plan.customer,
        b"x-farthing-feature": plan.feature,
        b"x-farthing-session": plan.session,
        b"idempotency-key": plan.idempotency_key,
    }
    headers += [(name, value.encode()) for name, value in said.items() if value]
    if plan.wish is not None:
        headers.append((b"x-farthing-cache", plan.wish))
    return {
        "type": "http",
        "method": "POST",
        "path": question.path,
        "query_string": question.query,
        "headers": headers,
    }
