"""What is cut off a span changes nothing of what the importer reads in it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.access.keys import Key
from farthing.api import spans
from farthing.ledger.draft import Draft, Problem
from farthing.ledger.importer import Options
from farthing.ledger.importers.otlp import IMPORTER
from tests.sources import CASES, Bytes, golden
from tests.unit.api.served import CHAT, exported, request_of

GOLDEN = [case for case in CASES if case.startswith("otlp/")]


def drafts(document: bytes) -> list[Draft | Problem]:
    found = IMPORTER.read(Bytes(document, "traces.jsonl"), Options())
    assert not hasattr(found, "sql")
    return [msgspec.structs.replace(each, line=0) for each in found]


@pytest.mark.parametrize("case", GOLDEN)
def test_the_ledger_reads_the_same_as_in_the_whole_document(case: str) -> None:
    content = golden(case).content
    lines = content.splitlines() if case.endswith(".jsonl") else [content]
    documents = [each for each in lines if b"esourceLogs" not in each]
    lean = [spans.line(span) for each in documents for span in spans.from_json(each)]
    assert lean
    assert drafts(b"".join(lean)) == drafts(b"\n".join(documents))


TEXTS = st.characters(codec="utf-8")
LABELS = st.dictionaries(
    st.text(TEXTS, min_size=1, max_size=30),
    st.one_of(st.text(TEXTS, max_size=200), st.booleans(), st.integers(0, 9)),
    max_size=8,
)


@given(LABELS, LABELS)
def test_protobuf_and_json_say_the_same(said: dict[str, object], around: dict[str, object]) -> None:
    from google.protobuf.json_format import MessageToJson

    request = request_of({**said, **CHAT}, resource=around)
    by_protobuf = list(spans.from_protobuf(request.SerializeToString()))
    by_json = list(spans.from_json(MessageToJson(request).encode()))
    assert by_protobuf == by_json
    assert drafts(b"".join(map(spans.line, by_json))) == drafts(
        MessageToJson(request, indent=None).encode()
    )


@pytest.mark.parametrize(
    "name",
    [
        *("gen_ai.prompt.0.content", "gen_ai.input.messages", "input.value", "output.value"),
        *("traceloop.entity.input", "llm.prompts.0.content", "exception.message"),
    ],
)
def test_no_prompt_reaches_the_disk(name: str) -> None:
    request = request_of({**CHAT, name: "my secret"})
    event = request.resource_spans[0].scope_spans[0].spans[0].events.add()
    event.attributes.add(key="message").value.string_value = "my secret"
    [span] = spans.from_protobuf(request.SerializeToString())
    assert b"my secret" not in spans.line(span)


def test_a_text_too_long_for_a_label_does_not_either() -> None:
    [span] = spans.from_protobuf(exported({**CHAT, "note": "a" * 1001}))
    assert b"note" not in spans.line(span)


def test_a_key_s_scope_and_tags_fill_gaps_only() -> None:
    key = Key(
        id="abcabcabcabc",
        tenant="t",
        scope={"team": "sales", "environment": "prod", "cost_center": "7"},
        tags={"app": "till"},
        created_at=datetime.now(UTC),
    )
    said = {**CHAT, "cost-center": "8"}
    [span] = spans.from_protobuf(exported(said, resource={"deployment.environment": "dev"}))
    [draft] = drafts(spans.line(span, key))
    assert isinstance(draft, Draft)
    assert (draft.team, draft.environment, draft.cost_center) == ("sales", "dev", "8")
    assert draft.tags == {"app": "till"}
