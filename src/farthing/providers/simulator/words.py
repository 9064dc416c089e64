"""Invented text and its length: here a token is four bytes, no more and no less."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import accumulate

BYTES_PER_TOKEN = 4
LABEL = "Simulated answer: "
_LONGEST = 17_000 * BYTES_PER_TOKEN
_STREAMED = 16  # characters in a chunk of a stream …
_MOST_CHUNKS = 256  # … unless the text is so long that there would be more chunks than this
_SENTENCES = (
    "no model was asked, and nobody was billed. ",
    "a farthing is a quarter of a penny. ",
    "what is not measured is paid for twice. ",
    "every call leaves a row in the ledger. ",
    "the same question costs nothing the second time. ",
    "sums are kept in whole numbers, so that they add up. ",
    "a price is a fact with a date. ",
    "the budget holds what the call may cost at most. ",
    "these words stand in for an answer. ",
    "tokens go in, tokens come out, and both are counted. ",
    "a short prompt is a cheap prompt. ",
    "an estimate is a range with its reasons. ",
    "the invoice comes at the end of the month. ",
)


def tokens(size: int) -> int:
    """How many tokens so many bytes are."""
    return -(-size // BYTES_PER_TOKEN)


def prose(draw: int, count: int, *, label: str = LABEL, whole: bool = True) -> str:
    """Text of exactly `count` tokens, the same for the same draw. Plain ASCII.

    What is not whole was cut off by a limit, and ends anywhere.
    """
    text, starts = _pool()
    start = starts[draw % len(starts)]
    size = count * BYTES_PER_TOKEN
    said = (label + text[start : start + size])[:size]
    return f"{said[:-1]}." if whole and said else said


def pieces(text: str) -> Iterator[str]:
    """A text as a stream hands it out."""
    size = max(_STREAMED, BYTES_PER_TOKEN * -(-len(text) // (_MOST_CHUNKS * BYTES_PER_TOKEN)))
    return (text[at : at + size] for at in range(0, len(text), size))


@cache
def _pool() -> tuple[str, tuple[int, ...]]:
    """A text twice as long as any answer, and where its sentences start in the first half."""
    count = 2 * _LONGEST // min(map(len, _SENTENCES))
    order = [_SENTENCES[(5 * n + n // 13) % len(_SENTENCES)] for n in range(count)]
    starts = accumulate(map(len, order), initial=0)
    return "".join(order), tuple(start for start in starts if start < _LONGEST)
