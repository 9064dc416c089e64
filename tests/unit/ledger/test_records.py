"""Reading sources as records."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from farthing.domain.errors import BadInput
from farthing.ledger.draft import Problem
from farthing.ledger.records import Record, csv_records, is_csv, json_records, names
from tests.sources import Bytes


def read(content: str | bytes, inside: tuple[str, ...] = ()) -> list[Record | Problem]:
    body = content.encode() if isinstance(content, str) else content
    return list(json_records(Bytes(body), inside))


def rows(content: str | bytes) -> list[Record | Problem]:
    return list(csv_records(Bytes(content.encode() if isinstance(content, str) else content)))


def test_lines_keep_their_physical_numbers_over_blank_ones() -> None:
    assert read('\n{"a": 1}\n\n{"a": 2}\n') == [Record(2, {"a": 1}), Record(4, {"a": 2})]


def test_a_fraction_is_read_from_its_text() -> None:
    [record] = read('{"amount": 0.10000000000000000055}')
    assert isinstance(record, Record)
    assert record.fields["amount"] == Decimal("0.10000000000000000055")


@any_of(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_no_amount_loses_a_digit(amount: Decimal) -> None:
    [record] = read(f'{{"amount": {amount:f}}}')
    assert isinstance(record, Record)
    assert Decimal(record.fields["amount"]) == amount


@any_of(st.lists(st.dictionaries(st.text(max_size=5), st.integers(-(2**60), 2**60), min_size=1)))
def test_lines_an_array_and_a_wrapped_array_say_the_same(objects: list[dict[str, int]]) -> None:
    lines = b"\n".join(msgspec.json.encode(one) for one in objects)
    array, wrapped = msgspec.json.encode(objects), msgspec.json.encode({"data": objects})
    expected = [dict(one) for one in objects]
    for content, inside in ((array, ()), (wrapped, ("data",))):
        assert [r.fields for r in read(content, inside) if isinstance(r, Record)] == expected
    if objects:
        assert [r.fields for r in read(lines) if isinstance(r, Record)] == expected


def test_a_pretty_printed_document_is_one_record() -> None:
    assert read('{\n  "a": {\n    "b": 1\n  }\n}\n') == [Record(1, {"a": {"b": 1}}, numbered=True)]


def test_one_bad_line_is_a_problem_and_the_rest_goes_on() -> None:
    first, bad, last = read('{"a": 1}\n{"a": \n{"a": 3}')
    assert (first, last) == (Record(1, {"a": 1}), Record(3, {"a": 3}))
    assert isinstance(bad, Problem)
    assert (bad.line, bad.field) == (2, "line")


def test_a_bad_first_line_does_not_turn_lines_into_a_document() -> None:
    bad, good = read('{"a": 1\n{"a": 2}\n')
    assert isinstance(bad, Problem)
    assert good == Record(2, {"a": 2})


def test_nan_is_not_json() -> None:
    bad, _ = read('{"cost": NaN}\n{"cost": 1}')
    assert isinstance(bad, Problem)


def test_a_truncated_document_names_file_line_and_fix() -> None:
    with pytest.raises(BadInput, match=r"calls\.json:3: the JSON ends in the middle\. Download"):
        read('{\n "data": [\n {"a": 1}')


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(BadInput, match="empty"):
        read("  \n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_refused_with_the_command_that_helps(encoding: str) -> None:
    with pytest.raises(BadInput, match="iconv"):
        read('{"a": 1}\n{"a": 2}'.encode(encoding))


def test_a_document_in_latin1_names_the_line() -> None:
    with pytest.raises(BadInput, match=r"calls\.json:2"):
        read('[\n{"name": "Zoë"}]'.encode("latin1"))


def test_a_byte_order_mark_is_ignored() -> None:
    assert read(b'\xef\xbb\xbf{"a": 1}\n{"a": 2}')[0] == Record(1, {"a": 1})
    assert rows(b"\xef\xbb\xbfa,b\n1,2\n") == [Record(2, {"a": "1", "b": "2"})]


def test_what_is_not_an_object_is_a_problem() -> None:
    assert read('[1, {"a": 1}]') == [
        Problem(1, "record", "is a number, not an object"),
        Record(2, {"a": 1}, numbered=True),
    ]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_csv_may_use_comma_semicolon_or_tab(mark: str) -> None:
    assert rows(f"a{mark}b\n1{mark}2\n") == [Record(2, {"a": "1", "b": "2"})]


def test_a_csv_row_is_named_by_the_line_it_starts_on() -> None:
    first, second = rows('a,b\n1,"two\nlines"\n3,\n')
    assert first == Record(2, {"a": "1", "b": "two\nlines"})
    assert second == Record(4, {"a": "3"})


def test_a_csv_row_of_another_width_is_a_problem() -> None:
    assert rows("a,b\n1\n1,2\n")[0] == Problem(2, "line", "has 1 columns, the header has 2")


def test_a_csv_cell_may_be_longer_than_the_csv_module_allows() -> None:
    [record] = rows("a,b\n1," + "x" * 200_000 + "\n")
    assert isinstance(record, Record)
    assert len(record.fields["b"]) == 200_000


def test_a_csv_cut_off_in_a_quote_is_refused() -> None:
    with pytest.raises(BadInput, match="CSV"):
        rows('a,b\n1,"two')


def test_a_csv_in_latin1_names_the_line() -> None:
    with pytest.raises(BadInput, match=r"calls\.json:3"):
        rows("a,b\n1,2\n3,Zoë\n".encode("latin1"))


def test_names_are_those_of_the_first_record() -> None:
    assert names(b'{"a": {"x": 1}, "b": 2}\n{"c": 1}') == {"a", "b"}
    assert names(b'[ {"a": 1}, {"b": 1} ]') == {"a"}
    assert names(b"\xef\xbb\xbfa;b\n1;2") == {"a", "b"}
    assert names(b"") == frozenset()


def test_names_are_found_though_the_first_record_does_not_end() -> None:
    assert {"request_id", "spend"} <= names(b'[{"request_id": "1", "spend": 2, "messages": "..')


def test_a_csv_is_told_from_json() -> None:
    assert is_csv(Bytes(b"a,b\n"))
    assert not is_csv(Bytes(b'\xef\xbb\xbf {"a": 1}'))
    assert not is_csv(Bytes(b""))
