"""The last step of an import: priced rows in the columns of the table that keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from farthing.domain.usage import BUCKETS
from farthing.ledger import currencies, schema, sql

# In the flags of a row that must not be stored: the fast path looks for it before it commits.
NOT_CLEAN = "!"
# The flag of a call of whose tokens nothing is said: what it cost is not known.
UNCOUNTED = "uncounted"
# Columns that a row has even where its source says nothing of them.
_ALWAYS = frozenset(
    {"id", "time", "provider", "grain", "status", "attempt", "requests", *BUCKETS}
    | {"describes_calls", "billing_currency"}
)


@dataclass(frozen=True, slots=True)
class Finish:
    """How rows of one source become stored rows; columns that can only be NULL are left out."""

    source: str
    present: frozenset[str]  # fields that the source, an option or a rule may fill
    price_flags: bool  # some rate in use has flags
    marked: bool  # rows that must not be stored are still in, and to be marked

    def calls(self, rows: str) -> str:
        unsent = "attempt = 0"
        free = unbilled(details="details" in self.present)
        reported = "reported_usd" if "reported_usd" in self.present else "NULL"
        # A price for each request is known even of a call whose tokens nobody counted.
        unknown = f"(uncounted AND coalesce(contracted_usd, 0) = 0 AND NOT {free})"
        unpriced = f"(price_id IS NULL OR {unknown}) AND {reported} IS NULL AND NOT {free}"
        listed, contracted = (
            f"CASE WHEN NOT {unknown} THEN {column} END"
            for column in ("list_usd", "contracted_usd")
        )
        made = {
            "revision": "0",
            "source": sql.text(self.source),
            "list_usd": f"CASE WHEN {free} THEN 0 ELSE {listed} END",
            "contracted_usd": f"CASE WHEN {free} THEN 0 ELSE {contracted} END",
            "effective_usd": f"CASE WHEN {free} THEN 0 ELSE coalesce({reported}, {contracted}) END",
            "price_ids": "price_id",
            "flags": self._flags(
                ("suspect", "suspect"), (UNCOUNTED, unknown), ("unpriced", unpriced)
            ),
        }
        if "attempt" in self.present:
            made["counterfactual_usd"] = f"CASE WHEN {unsent} THEN contracted_usd END"
            made["reason"] = f"CASE WHEN {unsent} THEN 'cache' END"
        return self._select(schema.CALLS, rows, made)

    def charges(self, rows: str) -> str:
        counted = "grain = 'usage' AND effective_cost IS NULL AND billed_cost IS NULL"
        effective = "coalesce(effective_cost, billed_cost)"
        made = {
            "revision": "0",
            "source": sql.text(self.source),
            "effective_cost": effective,
            "list_usd": f"CASE WHEN {counted} THEN list_usd ELSE {_usd('list_cost')} END",
            "contracted_usd": f"CASE WHEN {counted} THEN contracted_usd"
            f" ELSE {_usd('contracted_cost')} END",
            "effective_usd": f"CASE WHEN {counted} THEN contracted_usd ELSE {_usd(effective)} END",
            "billed_usd": _usd("billed_cost"),
            "price_ids": f"CASE WHEN {counted} THEN price_id END",
            "until": "coalesce(until, time)",
            "flags": self._flags(
                ("suspect", "suspect"),
                ("unconverted", "billing_currency <> 'USD' AND fx_usd IS NULL"),
                ("unpriced", f"{counted} AND price_id IS NULL"),
            ),
        }
        return self._select(schema.CHARGES, currencies.joined(rows), made)

    def _flags(self, *named: tuple[str, str]) -> str:
        """SQL: given flags and those whose condition holds, sorted, comma-separated."""
        ours = ", ".join(f"CASE WHEN {test} THEN '{flag}' END" for flag, test in named)
        any_of = [f"({test})" for _, test in named]
        any_of += ["flags IS NOT NULL"] if "flags" in self.present else []
        any_of += ["price_flags IS NOT NULL"] if self.price_flags else []
        if self.price_flags or "flags" in self.present:
            given = "json_extract_string(flags, '$[*]')" if "flags" in self.present else "[]"
            prices = "string_split(price_flags, ',')" if self.price_flags else "[]"
            every = f"list_concat(coalesce({given}, []), coalesce({prices}, []), [{ours}])"
            given = f"list_filter({every}, lambda flag: flag IS NOT NULL)"
            text = f"array_to_string(list_sort(list_distinct({given})), ',')"
        else:
            text = f"concat_ws(',', {ours})"
        # Most rows have none: to put an empty text together for each would be most of the work.
        told = f"WHEN {' OR '.join(any_of)} THEN nullif({text}, '') END"
        if not self.marked:
            return f"CASE {told}"
        stranger = "reason IS NOT NULL OR pricing_key IS NULL"
        if "details" in self.present:  # the first rows counted nothing besides their buckets
            stranger += " OR details IS NOT NULL"
        return f"CASE WHEN {stranger} THEN '{NOT_CLEAN}' {told}"

    def _select(self, into: schema.Table, rows: str, made: dict[str, str]) -> str:
        columns = ", ".join(
            f"({made.get(column.name, column.name)})::{column.sql} AS {column.name}"
            for column in into.columns
            if column.name in made or column.name in self.present | _ALWAYS
        )
        day = f"make_timestamp(epoch_us(time))::DATE AS {schema.PARTITION}"
        return f"SELECT {columns}, {day} FROM ({rows})"


def unbilled(*, details: bool = True) -> str:
    """SQL: whether a call cost nothing: it was not sent, or failed without any usage."""
    unused = f"status <> 'ok' AND {' + '.join(BUCKETS)} = 0"
    return f"(attempt = 0 OR ({unused}{' AND details IS NULL' if details else ''}))"


def _usd(cost: str) -> str:
    return f"CASE billing_currency WHEN 'USD' THEN {cost} ELSE {currencies.converted(cost)} END"
