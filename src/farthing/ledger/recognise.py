"""Find the importer for a file: from its content, or as the user says."""

from __future__ import annotations

from collections.abc import Sequence

from farthing.domain.errors import BadInput, Refused
from farthing.ledger.importer import Importer, Source

SURE_ENOUGH = 0.3


def importer_for(source: Source, importers: Sequence[Importer], kind: str | None) -> Importer:
    """The importer named `kind`, else the one that recognises the content best.

    Raises BadInput for an empty file, one in an unreadable encoding, or an unknown format.
    """
    if kind is not None:
        return _named(kind, importers)
    _refuse_unreadable(source)
    scored = [(importer.recognises(source), importer) for importer in importers]
    sure, best = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    if best is None or sure < SURE_ENOUGH:
        names = ", ".join(importer.name for importer in importers)
        kind = "Parquet file" if source.head.startswith(b"PAR1") else "file"
        raise BadInput(
            source.name,
            f"the format of this {kind} is not recognised",
            f"Say what it is with --as: {names}.",
        )
    return best


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
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(
            source.name,
            "the text is UTF-16",
            "Convert it: `iconv -f UTF-16 -t UTF-8 FILE > NEW`.",
        )
    if head.startswith(b"PAR1"):
        return
    try:
        # The head may end inside a character.
        head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            line = head.count(b"\n", 0, error.start) + 1
            raise BadInput(
                f"{source.name}:{line}",
                "the text is not UTF-8",
                "Convert it, for example `iconv -f LATIN1 -t UTF-8 FILE > NEW`.",
            ) from error
