"""Whatever bytes come, in whatever pieces: no hang, no crash, no answer that is none."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from farthing.providers.transport.answer import PooledAnswer
from farthing.providers.transport.connection import Connection
from farthing.providers.transport.wire import Timeouts
from farthing.testing.servers import Heard
from tests.unit.providers.transport.reference import h11_hears

GOLDEN = Path(__file__).parents[3] / "golden" / "http_answers.yaml"
VALID = [
    case["sends"].encode("latin-1")
    for case in yaml.safe_load(GOLDEN.read_text("utf-8"))
    if case["gives"] != "lost" and case.get("method") != "HEAD"
]
BITS = [
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"0", b"1", b"f", b"-", b"+", b",", b";"),
    *(b"\xff", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
    *(b"chunked", b"0\r\n\r\n", b"5\r\nhello\r\n", b"\r\n\r\n"),
]


class Pipe(asyncio.Transport):
    """The other end of a connection, held by a test."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = self.paused = False

    def write(self, data: object) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Home:
    """Takes a connection back only if it is one."""

    def meet(self, connection: Connection) -> None:
        pass

    def keep(self, connection: Connection) -> None:
        assert not connection.gone

    def forget(self, connection: Connection) -> None:
        pass


def _hears(loop: asyncio.AbstractEventLoop, parts: Sequence[bytes], *, ends: bool) -> Heard:
    """What our client makes of it; checks that it makes something of it, and stays in order."""
    pipe = Pipe()
    connection = Connection(Home(), loop, "h")
    connection.connection_made(pipe)
    answer = connection.ask(b"", b"", Timeouts(), head_only=False)
    for part in filter(None, parts):
        if not pipe.aborted:
            connection.data_received(part)
    if ends and not pipe.aborted:
        connection.eof_received()
        connection.connection_lost(None)
    assert not (answer.whole and answer.error)
    if answer.error is not None:
        assert pipe.aborted
    if ends or answer.error is not None:
        assert answer.whole or answer.error is not None, "it would wait for ever"
    return _read(answer) if answer.whole else None


def _read(answer: PooledAnswer) -> Heard:
    body = b""
    while not answer.ended:
        reading = answer.chunk()
        try:
            reading.send(None)
        except StopIteration as came:
            body += came.value
        else:
            raise AssertionError("a whole answer makes its reader wait")
    assert all(b"\r" not in value and b"\n" not in value for _, value in answer.headers)
    return answer.status, list(answer.headers), body


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid answer, with up to four changes."""
    sent = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, len(sent))), draw(st.integers(0, 4))
        put = draw(st.one_of(st.just(b""), st.sampled_from(BITS), st.binary(max_size=3)))
        sent = sent[:at] + put + sent[at + length :]
    return sent


def cut(sent: bytes, places: Sequence[int]) -> list[bytes]:
    marks = sorted({0, *(place % (len(sent) + 1) for place in places), len(sent)})
    return [sent[start:stop] for start, stop in itertools.pairwise(marks)]


def tamed(sent: bytes) -> bytes:
    """Without what h11 alone minds, and which says nothing of a body.

    Control characters in a reason, which our client drops, and empty lines between an informational
    answer and the next.
    """
    sent = re.sub(rb"(?<=\r\n\r\n)[\r\n]+(?=HTTP/1)", b"", sent)
    return re.sub(
        rb"(?<=HTTP/1\.[01] \d{3} )[^\r\n]+",
        lambda reason: re.sub(rb"[\0-\x1f\x7f]", b"?", reason[0]),
        sent,
    )


@pytest.fixture(scope="module")
def loop() -> object:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@given(sent=mutated(), places=st.lists(st.integers(0, 300), max_size=6), ends=st.booleans())
@example(
    sent=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \t chunked \r\n\r\n0\r\n\r\n", places=[], ends=True
)
@settings(max_examples=500, deadline=None)
def test_no_body_is_whole_that_h11_rejects(
    loop: asyncio.AbstractEventLoop, sent: bytes, places: list[int], ends: bool
) -> None:
    ours = _hears(loop, cut(sent, places), ends=ends)
    theirs = [h11_hears([said], method="POST", ends=ends) for said in (sent, tamed(sent))]
    assert ours is None or ours in theirs


@given(sent=mutated(), places=st.lists(st.integers(0, 300), max_size=6), ends=st.booleans())
@settings(max_examples=200, deadline=None)
def test_how_an_answer_is_cut_does_not_matter(
    loop: asyncio.AbstractEventLoop, sent: bytes, places: list[int], ends: bool
) -> None:
    assert _hears(loop, cut(sent, places), ends=ends) == _hears(loop, [sent], ends=ends)


@given(parts=st.lists(st.binary(max_size=40), max_size=8))
def test_noise_is_lost(loop: asyncio.AbstractEventLoop, parts: list[bytes]) -> None:
    assert _hears(loop, parts, ends=True) is None
