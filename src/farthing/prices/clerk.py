"""A process that has the whole price list, for one that must stay small: `python -m` this file.

One question a line on stdin, `{"provider": …, "model": …}`, one `Told` a line on stdout. It ends
by itself when stdin does, or when nobody has asked for a while.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator

import msgspec

from farthing.prices.shelf import told_by
from farthing.prices.sources.genai_prices import SOURCE

IDLE_SECONDS = 30.0


class Question(msgspec.Struct, frozen=True):
    provider: str | None
    model: str


def main(idle: float = IDLE_SECONDS) -> None:
    for line in _lines(sys.stdin.fileno(), idle):
        asked = msgspec.json.decode(line, type=Question)
        told = told_by(SOURCE, asked.provider, asked.model)
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()


def _lines(file: int, idle: float) -> Iterator[bytes]:
    rest = b""
    while select.select([file], [], [], idle)[0]:
        chunk = os.read(file, 65_536)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


if __name__ == "__main__":
    main()
