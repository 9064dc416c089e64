"""Answers of providers as they came, with their usage blocks: one a line, or in one array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from farthing.domain.errors import BadInput
from farthing.domain.usage import BUCKETS, Usage
from farthing.ledger.draft import Draft, Problem
from farthing.ledger.fields import bounded, first, mapping, tags_of, take_scope, text
from farthing.ledger.importer import Options, Source
from farthing.ledger.records import Record, json_records, names, parsed
from farthing.providers.reading import Reading
from farthing.providers.usage import read_body

_USAGE: Final = frozenset({"usage", "usageMetadata", "usage_info", "tokenUsage"})
_ANSWER: Final = frozenset(
    {"choices", "candidates", "content", "output", "stop_reason", "embeddings", "object", "model"}
)
_WRAPPER: Final = frozenset({"provider", "api_flavor", "time", "body", "tags"})
_LOGGED: Final = frozenset({"timestamp", "ts", "datetime", "start_time", "request_time"})
_CREATED: Final = ("created", "created_at", "createTime")


class ProviderBodies:
    """Reads `{"provider", "api_flavor", "time", "body"}` lines, bare answers, and batch results.

    All but `body` may be missing; other fields of the line become the scope, or tags.
    """

    name: ClassVar[str] = "provider_bodies"
    title: ClassVar[str] = "provider responses (JSON with usage)"

    def recognises(self, source: Source) -> float:
        found = names(source.head)
        if "body" in found and found & {"provider", "api_flavor"}:
            return 0.95
        if "body" in found or ("custom_id" in found and found & {"response", "result"}):
            return 0.85
        if not (found & _USAGE and found & _ANSWER) or "traceId" in found:
            return 0.0
        # A log that keeps the usage block under its own time column is a log.
        return 0.4 if found & _ANSWER == {"model"} and found & _LOGGED else 0.8

    def read(self, source: Source, options: Options) -> Iterator[Draft | Problem]:
        for record in json_records(source):
            if isinstance(record, Problem):
                yield record
            else:
                yield from _rows(record, options)


def _rows(record: Record, options: Options) -> Iterator[Draft | Problem]:
    """One row for the answer, and one for each further model run that it was billed for."""
    wrapped = "body" in record.fields
    body = parsed(record.fields["body"]) if wrapped else record.fields
    around = record.fields if wrapped else _batch_labels(record.fields)
    if not isinstance(body, Mapping):
        yield Problem(record.line, "body", "is not a JSON object")
        return
    provider = text(around.get("provider")) or options.provider
    try:
        reading = read_body(body, provider, text(around.get("api_flavor")))
    except BadInput as error:
        yield _unread(record, body, around, error)
        return
    for attempt, run in enumerate((reading, *reading.also), 1):
        # A further run is listed inside the answer, so it may leave out what the answer says.
        yield _draft(record.line, body, around, run, reading, attempt)


def _draft(
    line: int,
    body: Mapping[str, Any],
    around: Mapping[str, Any],
    run: Reading,
    answer: Reading,
    attempt: int,
) -> Draft:
    labels, usage = _labels(around), run.usage
    scope = take_scope(labels)
    return Draft(
        line=line,
        time=_time(body, around),
        provider=run.provider or answer.provider,
        model=run.model or answer.model,
        response_id=run.response_id or answer.response_id,
        attempt=attempt if attempt > 1 else None,
        details=dict(usage.details) or None,
        context=dict(run.context) or None,
        reported_usd=run.reported_usd,
        status="error" if _failed(body) else None,
        tags=bounded(labels),
        flags=list(run.flags) or None,
        **_counts(usage),
        **scope,
    )


def _counts(usage: Usage) -> dict[str, Any]:
    """The buckets; where what was reported overlaps, the totals and parts that make it so.

    A count below 0 is refused where a source says it, not where it only follows.
    """
    said: dict[str, Any] = {bucket: getattr(usage, bucket) for bucket in BUCKETS}
    if usage.input_fresh < 0:
        said["input_total"] = usage.input_tokens
        del said["input_fresh"]
    if usage.output_visible < 0:
        said["output_total"] = usage.output_tokens
        del said["output_visible"]
    return said


def _unread(
    record: Record, body: Mapping[str, Any], around: Mapping[str, Any], error: BadInput
) -> Draft | Problem:
    """An error answer has no usage and cost nothing; anything else without usage is a problem."""
    if not _failed(body):
        return Problem(record.line, error.where, f"{error.what}. {error.fix}")
    labels = _labels(around)
    scope = take_scope(labels)
    return Draft(
        line=record.line,
        time=_time(body, around),
        provider=text(around.get("provider")),
        model=text(body.get("model")),
        source_id=text(first(body, ("request_id", "id", "custom_id"))),
        status="error",
        tags=bounded(labels),
        **scope,
    )


def _failed(body: Mapping[str, Any]) -> bool:
    """Whether the answer, or the batch's line for it, is an error."""
    inner = mapping(mapping(body.get("response")).get("body"))
    kind = text(mapping(body.get("result")).get("type"))
    return bool(body.get("error") or inner.get("error")) or kind in {
        "errored",
        "canceled",
        "expired",
    }


def _time(body: Mapping[str, Any], around: Mapping[str, Any]) -> Any:
    inner = mapping(mapping(body.get("response")).get("body"))
    return around.get("time") or first(body, _CREATED) or first(inner, _CREATED)


def _labels(around: Mapping[str, Any]) -> dict[str, str]:
    own = {name: value for name, value in around.items() if name not in _WRAPPER}
    return {**tags_of(own), **tags_of(around.get("tags"))}


def _batch_labels(line: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"custom_id": line["custom_id"]} if "custom_id" in line else {}


IMPORTER = ProviderBodies()
