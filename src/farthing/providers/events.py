"""Cut a stream into server-sent events, however its chunks fall."""

from __future__ import annotations

import re

LONGEST = 16 << 20  # bytes of one event that are kept to be read

_BLANK = re.compile(rb"\n\r?\n")
_FIELDS = frozenset({b"data", b"event", b"id", b"retry", b""})
_BOM = b"\xef\xbb\xbf"


class Events:
    """Gives each event once it is whole, with the blank line that ends it."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.overlong = False  # no events any more

    def cut(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk ends. Together with `rest` they are every byte there was."""
        if not self._held:
            return self._cut(chunk, 0)
        start = len(self._held)
        self._held += chunk
        if _BLANK.search(self._held, max(0, start - 2)):
            joined = bytes(self._held)
            self._held = bytearray()
            return self._cut(joined, max(0, start - 2))
        self.overlong = len(self._held) > LONGEST
        return []

    def lone(self, chunk: bytes) -> bytes | None:
        """The data of a chunk that is one event and nothing else, as most are."""
        return None if self._held else _plain(chunk)

    def rest(self) -> bytes:
        """What is left: the start of an event. It is forgotten."""
        held, self._held = bytes(self._held), bytearray()
        return held

    def _cut(self, text: bytes, start: int) -> list[bytes]:
        events, begun = [], 0
        for blank in _BLANK.finditer(text, start):
            events.append(text[begun : blank.end()])
            begun = blank.end()
        self._held += text[begun:]
        return events


def data_of(event: bytes) -> bytes:
    """An event's data, b"" where it has none. What is no event comes back as it is."""
    plain = _plain(event)
    if plain is not None:
        return plain
    lines, known = [], True
    for line in event.removeprefix(_BOM).splitlines():
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value[1:] if value[:1] == b" " else value)
        known = known and field in _FIELDS
    if lines or known:
        return b"\n".join(lines)
    return event


def _plain(event: bytes) -> bytes | None:
    """The data of an event of one `data` line, with an `event` line before it or not."""
    if not event.endswith(b"\n\n"):
        return None
    begun = 0
    if event.startswith(b"event: "):
        begun = event.find(b"\n") + 1
    if not event.startswith(b"data: ", begun) or event.find(b"\n", begun) != len(event) - 2:
        return None
    return event[begun + 6 : -2]
