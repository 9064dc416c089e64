"""Whatever comes over a socket: an error that helps, no row, no crash, no memory that stays."""

import socket
import time
from urllib.request import urlopen

import pytest

from tests.gateways import configure, key, provider, rows, up
from tests.journeys.sockets import (
    CHAT,
    chunked,
    connect,
    read,
    request,
    resident_mb,
    send,
)

HEAD_SECONDS = 10
GROWTH_MB = 60


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """`farthing up` over the simulator in a process of its own, which notes what reaches it."""
    folder = tmp_path_factory.mktemp("sockets")
    with provider(folder) as simulator:
        configure(folder, simulator.url)
        made = key(folder)
        with up(folder) as started:
            started.demo_key, started.simulator = made["key"], simulator
            yield started


@pytest.fixture(autouse=True)
def _serves_afterwards(gateway):
    """After every case the same process answers, and what it booked is what it sent."""
    pid, before = gateway.gateway_pid(), resident_mb(gateway.gateway_pid())
    yield
    assert send(gateway, request(gateway.demo_key)).status == 200
    assert gateway.gateway_pid() == pid
    assert resident_mb(pid) < before + GROWTH_MB


def te(value=b"chunked"):
    return b"transfer-encoding: %b\r\n" % value


def in_chunks(key, body, fields=b""):
    return request(key, body, length=False, fields=te() + fields)


# What is no HTTP, or could be read in two ways: 400 `bad_request`, and the connection ends.
BROKEN = {
    "a length and chunks": lambda k: request(k, fields=te()),
    "chunks and a length": lambda k: request(
        k, chunked(CHAT), fields=te() + b"content-length: 5\r\n"
    ),
    "a length twice": lambda k: request(k, fields=b"content-length: %d\r\n" % len(CHAT)),
    "two lengths": lambda k: request(k, fields=b"Content-Length: 5\r\n"),
    "a list of lengths": lambda k: request(k, length=False, fields=b"content-length: 5, 5\r\n"),
    "a length with a sign": lambda k: request(k, length=False, fields=b"content-length: +5\r\n"),
    "a length beyond numbers": lambda k: request(
        k, length=False, fields=b"content-length: 99999999999999999999\r\n"
    ),
    "a coding that hides chunks": lambda k: request(
        k, chunked(CHAT), length=False, fields=te(b"xchunked")
    ),
    "chunked twice": lambda k: in_chunks(k, chunked(CHAT), te()),
    "chunked, then gzip": lambda k: request(
        k, chunked(CHAT), length=False, fields=te(b"chunked, gzip")
    ),
    "a chunk of no size": lambda k: in_chunks(k, b"zz\r\nabc\r\n0\r\n\r\n"),
    "a chunk below zero": lambda k: in_chunks(k, b"-5\r\nabc\r\n0\r\n\r\n"),
    "a chunk beyond numbers": lambda k: in_chunks(k, b"f" * 20 + b"\r\nabc\r\n0\r\n\r\n"),
    "a chunk longer than told": lambda k: in_chunks(k, b"2\r\nabcd\r\n0\r\n\r\n"),
    "a folded field": lambda k: request(k, fields=b"x-a: 1\r\n folded\r\n"),
    "a space before the colon": lambda k: request(k, fields=b"content-length : 5\r\n"),
    "a bare carriage return": lambda k: request(k, fields=b"x-a: 1\rx-b: 2\r\n"),
    "a zero byte in a value": lambda k: request(k, fields=b"x-a: 1\x002\r\n"),
    "a zero byte in a name": lambda k: request(k, fields=b"x-\x00a: 1\r\n"),
    "authority for a target": lambda k: request(k, line=b"POST x:80 HTTP/1.1"),
    "a tunnel": lambda k: request(k, line=b"CONNECT x:80 HTTP/1.1"),
    "raw UTF-8 in the target": lambda k: request(k, line="POST /v1/é HTTP/1.1".encode()),
    "no such method": lambda k: request(k, line=b"FOO /v1/models HTTP/1.1"),
    "a target without end": lambda k: request(k, line=b"POST /" + b"a" * 66_000 + b" HTTP/1.1"),
    "HTTP/2 from the first byte": lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": lambda _: b"\x16\x03\x01\x02\x00\x01\x00",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_http_is_refused_in_words_and_never_sent_on(name, gateway):
    reached = len(gateway.simulator.attempts())
    said = send(gateway, BROKEN[name](gateway.demo_key), seconds=5, answers=2)
    assert (said.status, said.closed, said.answers) == (400, True, 1)
    assert said.error["code"] == "bad_request"
    assert len(said.error["message"]) > 20
    assert len(gateway.simulator.attempts()) == reached


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        (b"POST /v1/messages HTTP/1.1", b'{"type":"error","error":{"type":"invalid_request_error"'),
        (b"POST /v1beta/models/m:generateContent HTTP/1.1", b'{"error":{"code":400,'),
        (b"POST /v1/responses HTTP/1.1", b'{"error":{"message":'),
    ],
)
def test_even_then_the_error_has_the_shape_of_the_path(line, shape, gateway):
    said = send(gateway, request(None, line=line, fields=b"x-a: 1\r\n folded\r\n"))
    assert said.raw.rpartition(b"\r\n\r\n")[2].startswith(shape)


# What may look odd and has one meaning: it is served.
ODD = {
    "chunks": lambda k: in_chunks(k, chunked(CHAT[:9], CHAT[9:])),
    "the absolute form": lambda k: request(
        k, line=b"POST http://elsewhere.example/v1/chat/completions HTTP/1.1"
    ),
    "HTTP/1.0": lambda k: request(k, line=b"POST /v1/chat/completions HTTP/1.0"),
    "a wish to be told to go on": lambda k: request(k, fields=b"expect: 100-continue\r\n"),
    "a wish for HTTP/2": lambda k: request(
        k, fields=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
    ),
    "a wish for a socket, in chunks": lambda k: request(
        k,
        chunked(CHAT),
        length=False,
        fields=te() + b"connection: upgrade\r\nupgrade: websocket\r\n",
    ),
    "two kinds of content": lambda k: request(
        k, fields=b"content-type: text/plain\r\nContent-Type: application/json\r\n"
    ),
    "capitals": lambda k: request(k, fields=b"X-FARTHING-TEAM: Search\r\n"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_has_one_meaning_is_served(name, gateway):
    reached = len(gateway.simulator.attempts())
    said = send(gateway, ODD[name](gateway.demo_key))
    final = said.raw.partition(b"HTTP/1.1 100 Continue\r\n\r\n")[2] or said.raw
    assert final.startswith(b"HTTP/1.1 200 ")
    assert len(gateway.simulator.attempts()) == reached + 1


def test_two_keys_are_nobodys(gateway):
    stranger = b"Authorization: Bearer fk_nobody_nothing\r\n"
    for sent in (
        request(gateway.demo_key, fields=stranger),
        request(
            None, fields=stranger + b"authorization: Bearer %b\r\n" % gateway.demo_key.encode()
        ),
    ):
        said = send(gateway, sent)
        assert (said.status, said.error["code"]) == (400, "bad_request")
        assert "two authorization headers" in said.error["message"]


def test_labels_are_text(gateway):
    for label in (b"\xff\xfe", b"a\x85b", b"x" * 201):
        said = send(gateway, request(gateway.demo_key, fields=b"x-farthing-team: %b\r\n" % label))
        assert (said.status, said.error["code"]) == (400, "bad_request")


def test_a_packed_body_is_not_read(gateway):
    said = send(
        gateway, request(gateway.demo_key, b"\x1f\x8b\x08", fields=b"content-encoding: gzip\r\n")
    )
    assert (said.status, said.error["code"]) == (415, "unsupported_encoding")


def test_what_follows_a_body_says_nothing_of_the_call(gateway):
    """A proxy that sets labels takes them from the head; nobody shall slip past it."""
    trailers = b"x-farthing-team: evil\r\nx-farthing-feature: trailing\r\n"
    sent = in_chunks(gateway.demo_key, chunked(CHAT, trailers=trailers))
    said = send(gateway, sent)
    assert said.status == 200
    assert rows(gateway.folder, "feature=trailing") == []


def test_pipelined_calls_are_answered_in_turn_and_bounded_in_number(gateway):
    said = send(gateway, request(gateway.demo_key) * 3, answers=3)
    assert (said.answers, said.raw.count(b"HTTP/1.1 200 ")) == (3, 3)
    flood = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 10_000
    assert send(gateway, flood, answers=10_000).closed


def test_garbage_behind_a_call_does_not_reach_into_its_answer(gateway):
    said = send(gateway, request(gateway.demo_key) + b"garbage\r\n\r\n", answers=2)
    assert (said.status, said.answers, said.closed) == (200, 1, True)


def test_a_second_call_smuggled_behind_a_first_is_not_made(gateway):
    """By its length the first ends before the second; by its chunks it does not."""
    hidden = request(gateway.demo_key)
    reached = len(gateway.simulator.attempts())
    sent = request(gateway.demo_key, b"0\r\n\r\n" + hidden, fields=te())
    assert send(gateway, sent, answers=2).answers == 1
    assert len(gateway.simulator.attempts()) == reached


def test_a_million_headers_end_early(gateway):
    flood = b"".join(b"x-%d: y\r\n" % number for number in range(1_000_000))
    said = send(gateway, request(gateway.demo_key, fields=flood), seconds=10)
    assert said.closed
    assert said.status in {0, 431}
    said = send(gateway, request(gateway.demo_key, fields=b"x: y\r\n" * 300))
    assert (said.status, said.error["code"]) == (431, "headers_too_large")
    assert "256 headers" in said.error["message"]


def test_a_body_of_100_mb_is_refused_whether_it_tells_its_length_or_not(gateway):
    said = send(
        gateway, request(gateway.demo_key, length=False, fields=b"content-length: 100000000\r\n")
    )
    assert (said.status, said.error["code"]) == (413, "body_too_large")
    with connect(gateway) as raw:
        raw.sendall(in_chunks(gateway.demo_key, b""))
        part = chunked(b" " * (1 << 20))[:-5]
        try:
            for _ in range(100):
                raw.sendall(part)
        except OSError:
            pass
        said = read(raw, 5, answers=1)
    assert said.status in {0, 413}


def test_who_takes_forever_over_a_head_is_cut_off(gateway):
    """However it begins: with nothing, with an end of a head that never comes, with blank lines."""
    slow = {
        "nothing": b"",
        "a part": b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n",
        "blank lines": b"\r\n\r\n",
        "after a call": request(gateway.demo_key) + b"\r\nPOST /v1",
        "a body nobody waits for": request(None, CHAT)[:-5],
        "the back office": b"GET /readyz HTTP/1.1\r\nhost: x\r\n",
    }
    doors = {"the back office": "office"}
    open_ = {name: connect(gateway, doors.get(name, "gateway")) for name in slow}
    dripping = connect(gateway)
    try:
        for name, raw in open_.items():
            raw.sendall(slow[name])
        dripping.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nx-a: ")
        began = time.monotonic()
        while time.monotonic() < began + HEAD_SECONDS + 4:
            for raw in (dripping, open_["a body nobody waits for"]):
                try:
                    raw.sendall(b"a")
                except OSError:
                    break
            time.sleep(0.5)
        heard = {name: read(raw, 1) for name, raw in open_.items()}
        heard["drops"] = read(dripping, 1)
    finally:
        for raw in (*open_.values(), dripping):
            raw.close()
    assert [name for name, said in heard.items() if not said.closed] == []
    assert (heard["a part"].status, heard["the back office"].status) == (408, 408)
    assert heard["a part"].raw.rpartition(b"\r\n\r\n")[2].startswith(b'{"type":"error"')
    assert heard["a part"].error["code"] == "slow_head"
    assert heard["nothing"].raw == b""


def test_a_thousand_idle_connections_keep_nobody_out(gateway):
    idle = [connect(gateway) for _ in range(1000)]
    try:
        began = time.monotonic()
        assert send(gateway, request(gateway.demo_key)).status == 200
        assert time.monotonic() - began < 5
    finally:
        for raw in idle:
            raw.close()


def test_a_caller_that_leaves_in_the_middle_of_its_body_costs_nothing(gateway):
    reached = len(gateway.simulator.attempts())
    with connect(gateway) as raw:
        raw.sendall(request(gateway.demo_key)[:-5])
        raw.shutdown(socket.SHUT_WR)
        assert read(raw, 5).closed
    assert len(gateway.simulator.attempts()) == reached


def test_nothing_was_booked_that_was_not_sent(gateway):
    """The last test of this file: over all that was tried before."""
    with urlopen(f"{gateway.gateway}/readyz", timeout=30) as ready:
        assert ready.status == 200
    booked = [row for row in rows(gateway.folder) if row["attempt"]]
    reached = {each["id"] for each in gateway.simulator.attempts()}
    assert {f"{row['id']}-{row['attempt']}" for row in booked} == reached
