"""Walk the answers of a provider's usage or cost API: pages of time buckets of results."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from farthing.ledger.draft import Problem
from farthing.ledger.importer import Source
from farthing.ledger.records import json_records

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """One result of one bucket. `line` is its line in the source, else its number there."""

    line: int
    start: Any
    end: Any
    fields: Mapping[str, Any]


class Identities:
    """Ids for results that have none: what they are grouped by, and which of equals they are.

    The end of the bucket is part of it, the amounts are not, so the same bucket fetched again
    is recognised even when it has grown. So is the account: without a project two accounts
    name their buckets alike.
    """

    def __init__(self, account: str | None) -> None:
        self._account = account
        self._seen: Counter[str] = Counter()

    def of(self, result: Result, *group: Any) -> str:
        parts = (self._account, result.start, result.end, *group)
        name = "|".join("" if part is None else str(part) for part in parts)
        self._seen[name] += 1
        return f"{name}|{self._seen[name] - 1}"


def results(source: Source, start: str, end: str) -> Iterator[Result | Problem]:
    """The results of every page in the source; `start` and `end` name the bucket's fields.

    Takes one page, an array of pages, one page a line, or the buckets alone. An answer that
    says `has_more` is taken as far as it goes, with a warning.
    """
    number = 0
    for page in json_records(source):
        if isinstance(page, Problem):
            yield page
            continue
        for bucket, fields in _listed(page.fields):
            number += 1
            line = number if page.numbered else page.line
            if isinstance(fields, Mapping):
                yield Result(line, bucket.get(start), bucket.get(end), fields)
            else:
                yield Problem(line, *fields)
        if page.fields.get("has_more") is True:
            _warn_of_more(source, page.fields.get("next_page"))


def _listed(page: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """Each result with its bucket; field and reason in place of one that is none."""
    buckets = page.get("data", [page])
    if not isinstance(buckets, list):
        yield page, ("data", "is not a list of buckets")
        return
    for bucket in buckets:
        # Early answers of OpenAI's, and its first documentation, say `result`.
        said = bucket.get("results", bucket.get("result")) if isinstance(bucket, Mapping) else None
        if not isinstance(said, list):
            yield page, ("results", "is not a list; is this an answer of the usage or cost API?")
            continue
        for fields in said:
            one = fields if isinstance(fields, Mapping) else ("results", "holds no object")
            yield bucket, one


def _warn_of_more(source: Source, token: Any) -> None:
    _log.warning(
        "%s: this is not the last page (has_more). Import the page %r too, if you have not.",
        source.name,
        token,
    )
