"""Say which rows of a document an import would put aside, before it runs.

The checks are those of the import, and run in DuckDB, which takes a tenth of a second. Rows that
are plainly fine are spared that.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from farthing.ledger import checks, scan
from farthing.ledger.draft import Draft, Problem
from farthing.ledger.files import HEAD_BYTES
from farthing.ledger.importer import Importer, Options, Query
from farthing.ledger.spool import drafts_of

_FROM = datetime.fromisoformat(checks.EARLIEST).replace(tzinfo=UTC)
_MUCH = 1000  # dollars for a call; not wrong, but worth a thorough look


def put_aside(importer: Importer, document: bytes, now: datetime) -> list[Problem]:
    """The calls that would go to quarantine, each with field and reason."""
    source = _Received(document)
    found = importer.read(source, Options())
    if not isinstance(found, Query) and all(
        isinstance(each, Draft) and _is_fine(each, now) for each in found
    ):
        return []
    with TemporaryDirectory(prefix="farthing-") as folder, scan.bare() as connection:
        query, problems = drafts_of(importer, source, Options(), Path(folder))
        relation = connection.sql(query.sql)
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
        rows = checks.checked(query.sql, types, checks.Defaults(now=now, epochs=True))
        bad = connection.execute(
            f"SELECT line, reason FROM ({rows}) WHERE reason IS NOT NULL ORDER BY line"
        ).fetchall()
    told = [(line, *reason.partition(": ")[::2]) for line, reason in bad]
    return [*problems, *(Problem(line, field, why) for line, field, why in told)]


@dataclass(frozen=True, slots=True)
class _Received:
    """A source that is not on disk yet; satisfies `importer.Source`."""

    content: bytes
    name: str = "traces.jsonl"

    @property
    def path(self) -> Path:
        return Path(self.name)

    @property
    def head(self) -> bytes:
        return self.content[:HEAD_BYTES]

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)


def _is_fine(draft: Draft, now: datetime) -> bool:
    """Whether no check can object. False means only that somebody has to look."""
    reported = draft.reported_usd
    return (
        _is_recent(draft.time, now)
        and (reported is None or (isinstance(reported, Decimal) and 0 <= reported < _MUCH))
        and all(_is_count(getattr(draft, name)) for name in checks.COUNTS)
    )


def _is_recent(time: object, now: datetime) -> bool:
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else None
    except ValueError:
        return False
    return bool(moment and moment.tzinfo and _FROM <= moment <= now)


def _is_count(said: object) -> bool:
    return said is None or (type(said) is int and 0 <= said <= checks.MOST_TOKENS_PER_CALL)
