"""Spans that are received become priced calls, once; what is wrong is told to the sender."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, MessageToJson

from farthing.access import store
from farthing.access.keys import Key
from farthing.api import traces
from farthing.ledger import engine
from farthing.ledger.audit import By
from farthing.ledger.inbox import Inbox
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from tests.unit.api.served import (
    CHAT,
    JSON,
    PROTOBUF,
    Client,
    exported,
    request_of,
    serving,
    until,
)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Client]:
    with serving(tmp_path / "ws") as client:
        yield client


def test_a_span_becomes_a_priced_call_however_often_and_in_whichever_form_it_comes(
    fresh: Client,
) -> None:
    one = request_of({**CHAT, "team": "search"})
    body = one.SerializeToString()
    hexadecimal = MessageToDict(one)
    span = hexadecimal["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span |= {"traceId": "0" * 31 + "7", "spanId": "0" * 15 + "1"}
    replies = [
        fresh.export(body),
        fresh.export_packed(body),
        fresh.export(MessageToJson(one).encode(), JSON),  # ids in base64
        fresh.export_packed(json.dumps(hexadecimal).encode(), JSON),
    ]
    assert [(each.status, each.body) for each in replies] == [
        *[(200, b"")] * 2,
        *[(200, b"{}")] * 2,
    ]
    assert [each.headers["content-type"] for each in replies[1:3]] == [
        "application/x-protobuf",
        "application/json",
    ]
    _settled(fresh)
    fresh.export(body)  # once more, after it is in the table
    _settled(fresh)
    assert _calls(fresh) == [("gpt-4o", "search", 1000, 100, "0.003500000000", "shop")]


def test_the_real_exporter_s_spans_arrive(fresh: Client) -> None:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    host, port = fresh.address
    exporter = OTLPSpanExporter(
        endpoint=f"http://{host}:{port}/v1/traces",
        headers={"authorization": f"Bearer {fresh.token}"},
        compression=Compression.Gzip,
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop")
    with tracer.start_as_current_span("agent"), tracer.start_as_current_span("chat gpt-4o") as span:
        span.set_attributes({**CHAT, "farthing.customer": "acme"})
    provider.shutdown()
    until(lambda: _calls(fresh) != [])
    [(model, *_)] = _calls(fresh)
    assert model == "gpt-4o"


def test_spans_that_the_import_puts_aside_are_told_and_the_others_count(fresh: Client) -> None:
    future = int((datetime.now(UTC) + timedelta(days=30)).timestamp()) * 10**9
    bad = [
        {**CHAT, "id": 2, "gen_ai.usage.input_tokens": -1},
        {**CHAT, "id": 3, "began": future},
        {**CHAT, "id": 0},
    ]
    reply = fresh.export(exported({**CHAT, "id": 1}, *bad, {"http.request.method": "GET"}))
    count, why = reply.partial
    assert (reply.status, count) == (200, 3)
    assert "input_total: -1 is negative" in why
    assert "is in the future" in why
    assert "spanId: is not 8 bytes" in why
    _settled(fresh)
    assert len(_calls(fresh)) == 1
    reported, lines = sorted(Path(fresh.office.workspace.quarantine).iterdir(), reverse=True)
    assert [json.loads(each)["line"] for each in reported.read_text().splitlines()] == [2, 3]
    assert len(lines.read_text().splitlines()) == 3


def test_in_json_the_partial_success_is_json(office: Client) -> None:
    reply = office.export(
        MessageToJson(request_of({**CHAT, "gen_ai.usage.output_tokens": -5})).encode(), JSON
    )
    assert reply.json["partialSuccess"]["rejectedSpans"] == "1"
    assert "output_total: -5 is negative" in reply.json["partialSuccess"]["errorMessage"]


def test_a_virtual_key_fills_what_its_spans_leave_open(fresh: Client) -> None:
    key = Key(
        id="abcabcabcabc",
        tenant="shop",
        scope={"team": "sales", "environment": "prod"},
        created_at=datetime.now(UTC),
    )
    token = _added(fresh, key)
    spans = ({**CHAT, "id": 1}, {**CHAT, "id": 2, "team": "search"})
    assert fresh.export(exported(*spans), token=token).status == 200
    _settled(fresh)
    assert [(row[1]) for row in _calls(fresh)] == ["sales", "search"]
    assert _environments(fresh) == {"prod"}


@pytest.mark.parametrize(
    ("token", "code"),
    [("", "invalid_key"), ("fa_wrong", "invalid_key"), ("fk_abcabcabcabc_x", "invalid_key")],
)
def test_who_is_not_known_is_refused(office: Client, token: str, code: str) -> None:
    reply = office.export(exported(CHAT), JSON, token=token)
    assert (reply.status, reply.code) == (401, code)
    assert reply.headers["www-authenticate"] == "Bearer"


def test_a_revoked_key_is_refused_at_once(office: Client) -> None:
    key = Key(id="def123def123", tenant="t", scope={"team": "t"}, created_at=datetime.now(UTC))
    token = _added(office, key)
    assert office.export(b"", token=token).status == 200
    _changing(office, lambda change, by: store.revoke(change, key.id, by))
    assert office.export(b"", JSON, token=token).code == "revoked_key"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff\xff\xff", PROTOBUF),
        (b"hello, world", PROTOBUF),
        (b"{", JSON),
        (b"[]", JSON),
        (b"null", JSON),
        (b'"\xff"', JSON),
        (b'{"resourceLogs": []}', JSON),
        (b'{"resourceSpans": 7}', JSON),
        (b"[" * 100_000, JSON),
        (b"not gzip", {**PROTOBUF, "content-encoding": "gzip"}),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], {**PROTOBUF, "content-encoding": "gzip"}),
    ],
)
def test_garbage_is_refused(office: Client, body: bytes, headers: dict[str, str]) -> None:
    reply = office.export(body, headers)
    assert reply.status == 400
    assert reply.headers["content-type"] == headers["content-type"]


@pytest.mark.parametrize(
    "document",
    [
        {"resourceSpans": [7, None, {"scopeSpans": "x"}, {"scopeSpans": [{"spans": [[]]}]}]},
        {"resourceSpans": []},
        {},
    ],
)
def test_what_has_no_call_in_it_is_taken_and_leaves_nothing(
    office: Client, document: dict[str, Any]
) -> None:
    assert office.export(json.dumps(document).encode(), JSON).json == {}


@pytest.mark.parametrize("field", ["traceId", "spanId", "startTimeUnixNano", "status"])
@pytest.mark.parametrize("value", [None, [], {}, 7, "x", "\0", True, 1e300])
def test_a_span_with_nonsense_in_it_never_breaks_the_office(
    office: Client, field: str, value: Any
) -> None:
    document = MessageToDict(request_of(CHAT))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0][field] = value
    assert office.export(json.dumps(document).encode(), JSON).status == 200


def test_a_body_too_large_is_refused_packed_or_not(office: Client) -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(200)) + bomb.flush()
    assert len(packed) < 1 << 20
    reply = office.export(packed, {**JSON, "content-encoding": "gzip"})
    assert (reply.status, reply.code) == (413, "body_too_large")
    reply = office.export(bytes(traces.MOST_BYTES + 1), JSON)
    assert (reply.status, reply.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content-type": "text/plain"}, "unsupported_media_type"),
        ({}, "unsupported_media_type"),
        ({**JSON, "content-encoding": "br"}, "unsupported_encoding"),
    ],
)
def test_another_form_is_refused(office: Client, headers: dict[str, str], code: str) -> None:
    reply = office.export(b"{}", headers)
    assert (reply.status, reply.code) == (415, code)


def test_who_sends_too_much_is_told_to_wait(
    office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "AT_ONCE", 0)
    reply = office.export(b"{}", JSON)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (429, "rate_limited", "5")
    reply = office.export(b"")
    assert (reply.status, reply.headers["retry-after"]) == (429, "5")
    assert reply.body.endswith(b"Try again in a while.")


def test_a_full_inbox_takes_nothing(office: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Inbox(office.office.workspace, most_bytes=10)
    monkeypatch.setattr(office.office.traces, "_inbox", full)
    reply = office.export(MessageToJson(request_of(CHAT)).encode(), JSON)
    assert (reply.status, reply.code) == (503, "inbox_full")
    assert "retry-after" in reply.headers


def _settled(client: Client) -> None:
    inbox = Inbox(Workspace.open(client.office.workspace.root))
    until(lambda: inbox.waiting() == [])


def _calls(client: Client) -> list[tuple[Any, ...]]:
    with engine.connect(Workspace.open(client.office.workspace.root), threads=1) as connection:
        return connection.execute("""
            SELECT model, team, input_fresh + cache_read, output_visible,
                   effective_usd::VARCHAR, json_extract_string(tags, '$.service')
            FROM calls ORDER BY team""").fetchall()


def _environments(client: Client) -> set[str]:
    with engine.connect(Workspace.open(client.office.workspace.root), threads=1) as connection:
        found = connection.execute("SELECT environment FROM calls").fetchall()
    return {name for (name,) in found}


def _added(client: Client, key: Key) -> str:
    token: str = _changing(client, lambda change, by: store.add(change, key, "test", by))
    return token


def _changing(client: Client, work: Any) -> Any:
    state = State.open(client.office.workspace.root)
    try:
        with state.changing() as change:
            return work(change, By("test", datetime.now(UTC)))
    finally:
        state.close()
