"""`POST /v1/traces`: spans of an instrumented application over OTLP/HTTP, metered as calls.

What was acknowledged is in the inbox, on disk; an import takes it from there. Spans that the
import would put aside are told in the answer, so that nobody sends them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from farthing.access.keys import Key
from farthing.api import answers, spans
from farthing.api.bodies import body_of, unpacked
from farthing.api.callers import Callers
from farthing.api.otlp import PROTOBUF, accepted, refused
from farthing.api.spans import Span
from farthing.domain.errors import FarthingError, Refused, Unavailable
from farthing.ledger import preview
from farthing.ledger.draft import Problem
from farthing.ledger.importers import otlp
from farthing.ledger.inbox import Inbox

MOST_BYTES = 16 << 20
AT_ONCE = 8  # documents read at the same time: what they take is bounded
_READERS: dict[str, Callable[[bytes], Iterator[Span]]] = {
    PROTOBUF: spans.from_protobuf,
    answers.JSON: spans.from_json,
}


class UnsupportedType(Refused):
    code, status = "unsupported_media_type", 415


class Busy(Unavailable):
    code, status = "rate_limited", 429


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a document."""

    spans: int  # of model calls
    rejected: tuple[Problem, ...]


class Traces:
    """The endpoint, and how much it has received."""

    def __init__(self, callers: Callers, inbox: Inbox) -> None:
        self._callers, self._inbox = callers, inbox
        self._reading = 0
        self.received = self.rejected = 0

    async def __call__(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            key = self._callers.of(request.headers.get("authorization")).key
            reader = _READERS.get(kind)
            if reader is None:
                raise UnsupportedType(f"Send {PROTOBUF} or {answers.JSON}.")
            with self._place():
                body = await body_of(request, MOST_BYTES)
                encoding = request.headers.get("content-encoding")
                taken = await asyncio.to_thread(self._take, reader, body, encoding, key)
        except FarthingError as error:
            return refused(kind, error)
        self.received += taken.spans
        self.rejected += len(taken.rejected)
        return accepted(kind, taken.rejected)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._reading >= AT_ONCE:
            raise Busy("Too many documents are being read just now. Try again in a while.")
        self._reading += 1
        try:
            yield
        finally:
            self._reading -= 1

    def _take(
        self,
        reader: Callable[[bytes], Iterator[Span]],
        body: bytes,
        encoding: str | None,
        key: Key | None,
    ) -> Taken:
        """Blocks: unpack, read, look for what is wrong, and put the rest on disk."""
        found = list(reader(unpacked(body, encoding, MOST_BYTES)))
        faults = [fault for each in found if (fault := each.fault)]
        document = b"".join(spans.line(each, key) for each in found if each.fault is None)
        if document:
            faults += preview.put_aside(otlp.IMPORTER, document, datetime.now(UTC))
            self._inbox.put(document)
        return Taken(len(found), tuple(faults))
