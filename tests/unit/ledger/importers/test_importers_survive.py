"""No importer falls over: whatever a source holds becomes rows, problems, or a refusal."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

from farthing.domain.errors import BadInput
from farthing.ledger.draft import Draft, Problem
from farthing.ledger.importer import Options
from tests.sources import CASES, GOLDEN, Bytes, importer

ENCODER = msgspec.json.Encoder(decimal_format="string")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=4,
)
JSON = [case for case in CASES if not case.endswith(".csv")]


def survives(name: str, content: bytes) -> None:
    """Reading ends in rows that can be stored, in problems with a line, or in BadInput."""
    source = Bytes(content)
    assert 0 <= importer(name).recognises(source) <= 1
    try:
        rows = list(importer(name).read(source, Options()))  # type: ignore[arg-type]
    except BadInput:
        return
    for row in rows:
        assert isinstance(row, Draft | Problem)
        assert row.line >= 1
        ENCODER.encode(row)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(p for key, one in inner for p in places(one, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(value)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = new
    return changed


@pytest.mark.parametrize("case", JSON)
@settings(max_examples=60)
@any_of(data=st.data())
def test_any_value_in_any_place_is_survived(case: str, data: st.DataObject) -> None:
    text = (GOLDEN / case).read_text("utf-8")
    lines = text.splitlines() if case.endswith(".jsonl") else [text]
    document = json.loads(data.draw(st.sampled_from(lines)))
    path = data.draw(st.sampled_from(places(document)))
    changed = put(document, path, data.draw(ANYTHING))
    survives(case.partition("/")[0], json.dumps(changed).encode())


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=60)
@any_of(data=st.data())
def test_a_source_cut_off_anywhere_is_survived(case: str, data: st.DataObject) -> None:
    content = (GOLDEN / case).read_bytes()
    survives(case.partition("/")[0], content[: data.draw(st.integers(0, len(content)))])


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=60)
@any_of(data=st.data())
def test_a_damaged_byte_is_survived(case: str, data: st.DataObject) -> None:
    content = bytearray((GOLDEN / case).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    survives(case.partition("/")[0], bytes(content))
