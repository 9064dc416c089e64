"""Read any log of calls: CSV, JSON lines or Parquet, with columns that are guessed by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from farthing.domain.errors import BadInput
from farthing.ledger.columns import CONTEXT, Mapped, guess
from farthing.ledger.importer import Options, Query, Source
from farthing.ledger.tabular import Tabular, member, tabular

# Anthropic's own field names: there `input_tokens` leaves the cached ones out (metering.md).
_EXCLUSIVE = ("cache_read_input_tokens", "cache_creation_input_tokens")


class CallLog:
    name: ClassVar[str] = "log"
    title: ClassVar[str] = "call log: CSV, JSON lines or Parquet"

    def recognises(self, source: Source) -> float:
        """A log has a column of token counts; formats with a name of their own are surer."""
        try:
            table = tabular(source)
        except (BadInput, ValueError):
            return 0.0
        if table is None:
            return 0.0
        mapped = guess(list(table.columns), {}, table.sample)
        return 0.5 if mapped.measures_calls else 0.0

    def read(self, source: Source, options: Options) -> Query:
        table = tabular(source)
        if table is None:
            raise BadInput(
                source.name, "no table was found in it", "A call log is CSV, JSON lines or Parquet."
            )
        mapped = guess(list(table.columns), options.columns, table.sample)
        if not mapped.measures_calls:
            raise BadInput(
                source.name,
                f"no column of token counts among {', '.join(table.columns)}",
                "Name it with --map input_total=COLUMN --map output_total=COLUMN.",
            )
        selected = ", ".join(
            f"{value} AS {field}" for field, value in _selected(mapped, table, options)
        )
        return Query(
            f"SELECT {', '.join([selected, *table.extra])} FROM {table.relation}",
            mapped.notes(),
            mapped.fields,
            table.delimiter,
        )


IMPORTER = CallLog()


def _selected(mapped: Mapped, table: Tabular, options: Options) -> Iterator[tuple[str, str]]:
    fields = {field: table.columns[column] for field, column in mapped.fields.items()}
    context = _context(fields)
    tags = {name: table.columns[name] for name in mapped.tags if name in table.columns}
    tags |= {
        field.removeprefix("tag."): table.columns[column]
        for field, column in options.columns.items()
        if field.startswith("tag.")
    }
    if _excludes_cache(mapped):
        fresh = _speaks_anthropic(fields, options)
        total = fields.pop("input_total")
        yield "input_fresh", f"CASE WHEN {fresh} THEN {total} END"
        yield "input_total", f"CASE WHEN NOT ({fresh}) THEN {total} END"
    given = fields.pop("tags", None)
    for field, value in fields.items():
        if field not in CONTEXT:
            yield field, value
    if context:
        yield "context", context
    if tags or given:
        yield "tags", _tags(tags, given)


def _excludes_cache(mapped: Mapped) -> bool:
    spelled = {column.rsplit(".", 1)[-1] for column in mapped.fields.values()}
    total = mapped.fields.get("input_total", "").rsplit(".", 1)[-1]
    return total == "input_tokens" and any(name in spelled for name in _EXCLUSIVE)


def _speaks_anthropic(fields: Mapping[str, str], options: Options) -> str:
    tests = [
        f"coalesce(contains(lower({fields[field]}::VARCHAR), '{word}'), false)"
        for field, word in (("provider", "anthropic"), ("model", "claude"))
        if field in fields
    ]
    said = f"{options.provider} {options.model}".lower()
    return " OR ".join(tests) if tests else str("anthropic" in said or "claude" in said).lower()


def _context(fields: Mapping[str, str]) -> str | None:
    parts = []
    if "batch" in fields:
        batch = f"lower({fields['batch']}::VARCHAR) IN ('true', '1', 'yes', 'batch')"
        parts.append(f"""CASE WHEN {batch} THEN '"processing":"batch"' END""")
    if "service_tier" in fields:
        parts.append(member("service_tier", fields["service_tier"]))
    return "'{' || nullif(concat_ws(',', " + ", ".join(parts) + "), '') || '}'" if parts else None


def _tags(tags: Mapping[str, str], given: str | None) -> str:
    members = ", ".join(member(name, value) for name, value in sorted(tags.items()))
    made = "'{' || " + f"concat_ws(',', {members})" + " || '}'" if tags else "'{}'"
    if given is None:
        return made
    # A JSON object among the columns is merged in; anything else is a tag called `tags`.
    other = f"'{{' || concat_ws(',', {member('tags', given)}) || '}}'"
    theirs = (
        f"CASE WHEN json_valid({given}::VARCHAR) AND json_type({given}::VARCHAR) = 'OBJECT'"
        f" THEN {given}::VARCHAR ELSE {other} END"
    )
    return f"json_merge_patch({theirs}, {made})::VARCHAR" if tags else theirs
