"""Find the importer for a file: from its content, or as the user says."""

from __future__ import annotations

from collections.abc import Sequence

from farthing.domain.errors import BadInput, Refused
from farthing.ledger.files import HEAD_BYTES
from farthing.ledger.importer import Importer, Source
from farthing.ledger.tabular import tabular

SURE_ENOUGH = 0.3
NOT_UTF_8 = "Convert it, for example `iconv -f LATIN1 -t UTF-8 FILE > NEW`."
_FEW_NAMES = 12
_ENOUGH = 4096
_BOM = b"\xef\xbb\xbf"
_UNPACK = "Unpack it first; gzip and zstd are read as they are."
_NOT_TEXT = (
    (b"PK\x03\x04", "this is a zip archive or an Excel workbook", "Unpack it, or save it as CSV."),
    (b"\xd0\xcf\x11\xe0", "this is an Excel workbook", "Save it as CSV (UTF-8)."),
    (b"BZh", "this is packed with bzip2", _UNPACK),
    (b"\xfd7zXZ", "this is packed with xz", _UNPACK),
    (b"%PDF", "this is a PDF", "Fetch the bill as CSV or JSON."),
)


def importer_for(
    source: Source, importers: Sequence[Importer], kind: str | None, otherwise: str | None = None
) -> Importer:
    """The importer named `kind`, else the one that recognises the content best, else `otherwise`.

    Raises BadInput for an empty file, one in an unreadable encoding, or an unknown format.
    """
    _refuse_unreadable(source)
    if kind is not None:
        return _named(kind, importers)
    scored = [(importer.recognises(source), importer) for importer in importers]
    sure, best = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    if best is None or sure < SURE_ENOUGH:
        if otherwise is not None:
            return _named(otherwise, importers)
        raise _unknown(source, importers)
    return best


def _unknown(source: Source, importers: Sequence[Importer]) -> BadInput:
    """Why nothing recognised it, as far as can be told: the way to mend it differs."""
    try:
        table = tabular(source)
    except BadInput as error:
        return error
    if table is not None:
        few = ", ".join(list(table.columns)[:_FEW_NAMES])
        return BadInput(
            source.name,
            f"its format is not recognised by the columns {few}",
            "If it logs calls, say which hold the counts: --as log --map input_total=COLUMN.",
        )
    if source.head.removeprefix(_BOM).lstrip().startswith((b"{", b"[")):
        return BadInput(
            source.name,
            "this JSON is in no format that is recognised",
            "A log of calls has one object a line: `jq -c '.[]' FILE > NEW.jsonl`.",
        )
    names = ", ".join(importer.name for importer in importers)
    return BadInput(
        source.name,
        "the format of this file is not recognised",
        f"A table needs its header in line 1; else say what it is with --as: {names}.",
    )


def _named(kind: str, importers: Sequence[Importer]) -> Importer:
    for importer in importers:
        if importer.name == kind:
            return importer
    names = ", ".join(importer.name for importer in importers)
    raise Refused(f"No importer is called {kind!r}. There are: {names}.")


def _refuse_unreadable(source: Source) -> None:
    head = source.head
    if not head.strip():
        raise BadInput(source.name, "the file is empty", "Check the export.")
    for magic, what, fix in _NOT_TEXT:
        if head.startswith(magic):
            raise BadInput(source.name, what, fix)
    if _is_utf_16(head):
        raise BadInput(
            source.name,
            "the text is UTF-16",
            "Convert it: `iconv -f UTF-16 -t UTF-8 FILE > NEW`.",
        )
    if head.startswith(b"PAR1"):
        return
    if b"\0" in head.rstrip(b"\0")[:_ENOUGH]:
        raise BadInput(source.name, "this is binary data, not text", "Export it as CSV or JSON.")
    _refuse_other_text(source.name, head)


def _refuse_other_text(name: str, head: bytes) -> None:
    try:
        # The head may end inside a character.
        head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(head) < HEAD_BYTES or error.start < len(head) - 4:
            line = head.count(b"\n", 0, error.start) + 1
            raise BadInput(
                f"{name}:{line}",
                "the text is not UTF-8",
                NOT_UTF_8,
            ) from error


def _is_utf_16(head: bytes) -> bool:
    """By its mark; without one, Latin text has a zero in every other byte."""
    start = head[:256]
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or any(
        len(half) > 1 and not any(half) for half in (start[::2], start[1::2])
    )
