"""Read a source as records (JSONL, one JSON document, or CSV), every number exact.

A number with a fraction arrives as a Decimal made from the text, never as a float. One bad line
is a Problem and the rest goes on; a source that cannot be read as a whole raises BadInput.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any, BinaryIO

import msgspec

from farthing.domain.errors import BadInput
from farthing.ledger.draft import Problem
from farthing.ledger.importer import Source

_JSON: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_NAME = re.compile(rb'"([^"\\]{1,80})"\s*:')
_FIELD_LIMIT = 2**31 - 1  # prompts in a CSV cell exceed the csv module's 128 KiB


@dataclass(frozen=True, slots=True)
class Record:
    """One object of a source. `line` is its physical line; its number where `numbered`."""

    line: int
    fields: Mapping[str, Any]
    numbered: bool = False


def json_records(source: Source, inside: tuple[str, ...] = ()) -> Iterator[Record | Problem]:
    """The objects of a JSONL file, of a JSON array, or of one JSON document.

    A document, or a line, that has one of the `inside` fields stands for the objects listed in
    it, as API pages do with `data`; any other object is a record itself.
    """
    number = 0
    for line, whole, value in _values(source):
        if isinstance(value, Problem):
            yield value
            continue
        for item in _unwrapped(value, inside):
            number += 1
            where = number if whole else line
            if isinstance(item, dict):
                yield Record(where, item, numbered=whole)
            else:
                yield Problem(where, "record", f"is {_kind(item)}, not an object")


def csv_records(source: Source) -> Iterator[Record | Problem]:
    """The rows of a CSV with a header, comma, semicolon or tab. Empty cells are left out."""
    csv.field_size_limit(_FIELD_LIMIT)
    with source.open() as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        reader = csv.reader(text, delimiter=_delimiter(source.head), strict=True)
        try:
            yield from _rows(reader)
        except UnicodeDecodeError as error:
            raise _not_utf8(source) from error
        except csv.Error as error:
            raise BadInput(
                f"{source.name}:{reader.line_num}",
                f"the CSV cannot be read ({error})",
                "Export it again, with quotes around cells that hold quotes or line breaks.",
            ) from error


def is_csv(source: Source) -> bool:
    """Whether the source starts with a header row rather than with JSON."""
    return bool(_start(source.head)) and _start(source.head)[:1] not in b"{["


def names(head: bytes) -> frozenset[str]:
    """The field names of the first record in `head`: a JSON object's, or a CSV header's.

    Where the first object does not end within `head`, every name seen in it, nested or not.
    """
    start = _start(head)
    if not start:
        return frozenset()
    if start[:1] not in b"{[":
        return _header(start)
    first = _first_object(start)
    if first is not None:
        return frozenset(first)
    return frozenset(name.decode("utf-8", "replace") for name in _NAME.findall(start))


def parsed(text: Any) -> Any:
    """JSON kept as text inside a cell or a field; anything else is returned as it is."""
    if not isinstance(text, str) or text[:1] not in ("{", "["):
        return text
    try:
        return _JSON.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _values(source: Source) -> Iterator[tuple[int, bool, Any]]:
    """(line, whether the file is one document, value or Problem)."""
    _refuse_wide(source)
    with source.open() as stream:
        first, second = _next_line(stream), _next_line(stream)
        value = _object(first)
        if value is not None and not second:
            yield 1, True, value
        elif value is not None or (first[:1] == second[:1] == b"{"):
            yield from _lines(chain((first, second), stream))
        else:
            for value in _document(source, first + second + stream.read()):
                yield 1, True, value


def _next_line(stream: BinaryIO) -> bytes:
    """The next line; blank ones before it are kept in front of it, so that lines still count."""
    blank = b""
    for text in stream:
        if text.removeprefix(_BOM).strip():
            return blank + text.removeprefix(_BOM)
        blank += text
    return blank


def _object(line: bytes) -> dict[str, Any] | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        value: dict[str, Any] = _JSON.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value


def _lines(chunks: Iterator[bytes]) -> Iterator[tuple[int, bool, Any]]:
    lines = (line for chunk in chunks for line in chunk.splitlines())
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            yield number, False, _JSON.decode(text)
        except UnicodeDecodeError:
            yield number, False, Problem(number, "line", "is not UTF-8 text")
        except (msgspec.DecodeError, RecursionError) as error:
            deep = isinstance(error, RecursionError)
            why = "is nested too deeply" if deep else f"is not JSON: {error}"
            yield number, False, Problem(number, "line", why)


def _document(source: Source, body: bytes) -> Iterator[Any]:
    """A whole file as one value, or as the values of its outermost array."""
    if not body.strip():
        raise BadInput(source.name, "the file is empty", "Check the export that wrote it.")
    try:
        if not body.lstrip().startswith(b"["):
            yield _JSON.decode(body)
            return
        # One item at a time, so that a long array is not held twice.
        for raw in _ITEMS.decode(body):
            yield _JSON.decode(raw)
    except UnicodeDecodeError as error:
        raise _not_utf8(source) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(source, body, error) from error


def _unwrapped(value: Any, inside: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _unwrapped(item, inside)
        return
    field = next((name for name in inside if isinstance(value, dict) and name in value), None)
    listed = value[field] if field else None
    if isinstance(listed, list):
        yield from listed
    else:
        yield value


def _rows(reader: Any) -> Iterator[Record | Problem]:
    header: list[str] | None = None
    line = 1
    for row in reader:
        start, line = line, reader.line_num + 1
        if not row:
            continue
        if header is None:
            header = [name.strip() for name in row]
        elif len(row) != len(header):
            yield Problem(start, "line", f"has {len(row)} columns, the header has {len(header)}")
        else:
            yield Record(start, {k: v for k, v in zip(header, row, strict=True) if v != ""})


def _delimiter(head: bytes) -> str:
    first = _start(head).split(b"\n", 1)[0]
    return max(",;\t", key=lambda mark: first.count(mark.encode()))


def _header(start: bytes) -> frozenset[str]:
    line = start.splitlines()[0].decode("utf-8", "replace")
    try:
        row = next(csv.reader([line], delimiter=_delimiter(start)), [])
    except csv.Error:
        return frozenset()
    return frozenset(name.strip() for name in row)


def _first_object(start: bytes) -> dict[str, Any] | None:
    for candidate in (start.split(b"\n", 1)[0], start):
        try:
            value = _JSON.decode(candidate)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        while isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict):
            return value
    return None


def _start(head: bytes) -> bytes:
    return head.removeprefix(_BOM).lstrip()


def _kind(value: Any) -> str:
    names = {str: "text", int: "a number", Decimal: "a number", bool: "a boolean", list: "a list"}
    return names.get(type(value), "null")


def _refuse_wide(source: Source) -> None:
    if source.head[:2] in _WIDE or b"\0" in source.head[:4]:
        raise _not_utf8(source)


def _not_utf8(source: Source) -> BadInput:
    return BadInput(
        f"{source.name}:{_first_undecodable(source)}",
        "the text is not UTF-8",
        "Convert it first, for example with `iconv -f UTF-16 -t UTF-8` (or -f LATIN1).",
    )


def _first_undecodable(source: Source) -> int:
    with source.open() as stream:
        for line, text in enumerate(stream, 1):
            try:
                text.decode("utf-8")
            except UnicodeDecodeError:
                return line
    return 1


def _not_json(source: Source, body: bytes, error: Exception) -> BadInput:
    at = re.search(r"byte (\d+)", str(error))
    cut = "truncated" in str(error)
    lines = body.count(b"\n", 0, len(body) if cut or not at else int(at[1])) + 1
    return BadInput(
        f"{source.name}:{lines}",
        "the JSON ends in the middle" if cut else f"the JSON cannot be read ({error})",
        "Download or export the file again, whole.",
    )
