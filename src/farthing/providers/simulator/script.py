"""What the simulator does about one request: what it sends, when, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from farthing.domain.errors import Refused
from farthing.domain.usage import Usage
from farthing.providers.transport.wire import Headers

# whole: all chunks, then a proper end. reset: the connection breaks. hang: nothing more comes.
Ending = Literal["whole", "reset", "hang"]


class Script(msgspec.Struct, kw_only=True, gc=False):
    """Status 0: it ends before the status line. Times are in seconds.

    `usage` is what the provider bills, however much of the answer arrives; None: nothing.
    """

    status: int = 0
    headers: Headers = []
    chunks: Sequence[bytes] = ()
    latency: float = 0.0  # before the status line
    pace: float = 0.0  # before each chunk but the first
    ends: Ending = "whole"
    streamed: bool = False
    model: str | None = None
    response_id: str | None = None
    usage: Usage | None = None
    finished: bool = False  # set by whoever plays it: all of a whole answer was handed over

    def broken_after(self, count: int, ends: Ending) -> Script:
        """End early, unless there is no more to it: after chunks of a stream, bytes of a body."""
        if self.streamed:
            if count >= len(self.chunks):
                return self
            return msgspec.structs.replace(self, chunks=self.chunks[:count], ends=ends)
        body = b"".join(self.chunks)
        if count >= len(body):
            return self
        return msgspec.structs.replace(self, chunks=[body[:count]] if count else [], ends=ends)


class Declined(Refused):
    """The simulated provider says no, and how its own protocol names that."""

    code = "simulated"

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        self.answer_status, self.answer_code = status, code
        self.message, self.param = message, param
        super().__init__(message)
