"""Read an answer as it passes, whether it streams or comes whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import msgspec

from farthing.domain.errors import BadInput
from farthing.domain.usage import Usage
from farthing.providers.events import Events, data_of
from farthing.providers.protocol import Refusal
from farthing.providers.reading import Reading

BYTES_PER_TOKEN = 4
LONGEST_BODY = 16 << 20

_UNREADABLE = (
    msgspec.MsgspecError,
    BadInput,
    RecursionError,
    UnicodeDecodeError,
    ArithmeticError,
)
_ANYTHING = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPACE = b" \t\r\n\xef\xbb\xbf"


class Teller(Protocol):
    """What a protocol makes of an answer's parts. Made anew for each answer."""

    done: bool  # nothing that matters follows
    text: int  # bytes of text, so far
    final: bool  # the output that was told of is no placeholder
    failed: bool  # an event told of an error

    def event(self, data: bytes) -> bool:
        """Take an event. True: it says nothing but usage. Raises msgspec's errors, BadInput."""
        ...

    def whole(self, body: bytes) -> None:
        """Take an answer that did not stream. Raises as `event` does."""
        ...

    def reading(self) -> Reading | None:
        """What was told of usage. Raises as `event` does."""
        ...


class WholeTeller:
    """An answer that never streams."""

    def __init__(self, read: Callable[[bytes], Reading | None]) -> None:
        self.done = self.final = self.failed = False
        self.text = 0
        self._read = read
        self._reading: Reading | None = None
        self._lie: BadInput | None = None

    def event(self, data: bytes) -> bool:
        del data
        raise BadInput("the answer", "it streams", "Only whole answers are known here.")

    def whole(self, body: bytes) -> None:
        try:
            self._reading = self._read(body)
        except BadInput as lie:
            self._lie = lie
        self.done = True

    def reading(self) -> Reading | None:
        if self._lie is not None:
            raise self._lie
        return self._reading


def no_reading(body: bytes) -> Reading | None:
    """For answers that cost nothing. Raises where it is no JSON object."""
    _ANYTHING.decode(body)
    return None


def no_ending(refusal: Refusal) -> bytes:
    """For answers that are whole: half of one cannot be mended."""
    del refusal
    return b""


class AnswerMeter:
    """Feeds a protocol's teller; satisfies `protocol.Meter`."""

    def __init__(
        self,
        teller: Teller,
        ending: Callable[[Refusal], bytes],
        *,
        strip_usage: bool = False,
        has_output: bool = True,
    ) -> None:
        self._teller, self._ending = teller, ending
        self._strip, self._has_output = strip_usage, has_output
        self._streams: bool | None = None  # until the first byte
        self._events = _NO_EVENTS
        self._body: list[bytes] = []
        self._size = 0
        self._tried = 0  # size at which the body was last read
        self._flags: list[str] = []

    @property
    def complete(self) -> bool:
        if self._streams is False and not self._teller.done:
            self._try_whole()
        return self._teller.done

    @property
    def flags(self) -> tuple[str, ...]:
        if self._teller.failed:
            self._flag("stream_error")
        if self._events.overlong:
            self._flag("overlong_answer")
        return tuple(self._flags)

    def feed(self, chunk: bytes) -> bytes:
        if self._streams is None:
            self._begin(chunk)
        if not self._streams:
            self._collect(chunk)
            return chunk
        if self._events.overlong:
            return chunk
        lone = self._events.lone(chunk)
        if lone is not None:
            return b"" if self._read(lone) and self._strip else chunk
        if not chunk:
            return self._end()
        if self._strip:
            return self._passing(chunk)
        for event in self._events.cut(chunk):
            self._take(event)
        return chunk

    def _begin(self, chunk: bytes) -> None:
        self._streams = _streams(chunk)
        if self._streams:
            self._events = Events()

    def reading(self) -> Reading | None:
        if self._streams is False:
            self._try_whole()
        try:
            return self._teller.reading()
        except _UNREADABLE:
            self._flag("garbled_usage")
            return None

    def seen(self) -> Usage:
        reading = self.reading()
        passed = self._teller.text if self._streams else self._size
        guess = -(-passed // BYTES_PER_TOKEN) if self._has_output else 0
        if reading is None:
            return Usage(output_visible=guess)
        usage = reading.usage
        if self.complete or self._teller.final or usage.output_tokens >= guess:
            return usage
        return msgspec.structs.replace(usage, output_visible=guess - usage.reasoning)

    def broken(self, refusal: Refusal) -> bytes:
        return self._ending(refusal)

    def _passing(self, chunk: bytes) -> bytes:
        """What goes on to the caller where events are held back until they are whole."""
        passed = [event for event in self._events.cut(chunk) if not self._take(event)]
        if self._events.overlong:
            passed.append(self._events.rest())
        return b"".join(passed)

    def _end(self) -> bytes:
        """The last event may lack its blank line, and the terminal event be missing."""
        rest = self._events.rest()
        dropped = self._take(rest) if rest else False
        self._teller.done = self._teller.done or self._teller.final
        return rest if self._strip and not dropped else b""

    def _take(self, event: bytes) -> bool:
        data = data_of(event)
        return self._read(data) if data else False

    def _read(self, data: bytes) -> bool:
        try:
            return self._teller.event(data)
        except _UNREADABLE:
            self._flag("garbled_stream")
            return False

    def _collect(self, chunk: bytes) -> None:
        if not chunk and self._size and not self.complete:
            self._flag("garbled_answer")
        self._size += len(chunk)
        if self._size <= LONGEST_BODY:
            self._body.append(chunk)
        elif self._body:
            self._body.clear()
            self._flag("overlong_answer")

    def _try_whole(self) -> None:
        if not self._body or self._tried == self._size:
            return
        self._tried = self._size
        body = b"".join(self._body)
        self._body = [body]
        if body.rstrip(_SPACE)[-1:] not in {b"}", b"]"}:
            return
        with suppress(*_UNREADABLE):
            self._teller.whole(body.lstrip(_SPACE))

    def _flag(self, flag: str) -> None:
        if flag not in self._flags:
            self._flags.append(flag)


_NO_EVENTS = Events()  # of an answer that comes whole


def _streams(chunk: bytes) -> bool | None:
    """From the first byte: JSON begins with a bracket, server-sent events never do."""
    first = chunk.lstrip(_SPACE)[:1]
    return None if not first else first not in {b"{", b"["}
