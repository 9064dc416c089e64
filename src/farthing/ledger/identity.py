"""Say which source rows are the same call: ids derived from what the source said (design §4).

The provider's response id makes the id; else the source's own id; else a hash of the row's
normalised fields, and its ordinal among equals in the file. So the same file twice adds nothing,
overlapping files count once, and a row that a file truly has twice is two rows.
"""

from __future__ import annotations

from farthing.domain.scope import SCOPE
from farthing.domain.usage import BUCKETS
from farthing.ledger.checks import AMOUNTS

# Texts and numbers that tell rows apart. Absent, NULL and 0 are the same: a source that lacks a
# column and one that leaves it empty describe the same call.
_TEXTS = (
    *("grain", "provider", "account", "operation", "model", "model_served", "session_id"),
    *("trace_id", "template_id", "request_hash", "details", "context", "tags", "status", *SCOPE),
    *("charge_category", "charge_class", "charge_description", "service_name", "region"),
    *("resource_id", "sku_id", "sku_price_id", "commitment_id", "invoice_id", "billing_currency"),
)
_NUMBERS = (*BUCKETS, "attempt", "requests", "latency_ms", "ttft_ms", *AMOUNTS)
_DERIVED = {*BUCKETS, "attempt", "status", "grain", "billing_currency"}


def call_id(source: str, present: frozenset[str]) -> str:
    """SQL for the id of a row; `present` are the fields that the source has at all."""
    arms = []
    if "response_id" in present:
        arms.append(
            "WHEN response_id IS NOT NULL"
            " THEN md5(concat_ws(chr(31), 'response', provider, response_id))"
        )
    if "source_id" in present:
        arms.append(
            f"WHEN source_id IS NOT NULL THEN md5('{source}' || chr(31) || grain || source_id)"
        )
    hashed = f"md5({_content(present)})"
    return f"CASE {' '.join(arms)} ELSE {hashed} END" if arms else hashed


def has_own_id(present: frozenset[str]) -> str:
    """SQL: whether two rows with this id are one row seen twice, not two equal rows."""
    own = [field for field in ("response_id", "source_id") if field in present]
    return " OR ".join(f"{field} IS NOT NULL" for field in own) or "false"


def fingerprint(present: frozenset[str]) -> str:
    """SQL for a quick 64-bit hash that equal keys share: finds candidates, decides nothing."""
    own = [field for field in ("response_id", "source_id") if field in present]
    if not own:
        return f"hash({_content(present)})"
    ids, content = ", ".join(own), _content(present)
    return f"CASE WHEN {has_own_id(present)} THEN hash({ids}) ELSE hash({content}) END"


def _content(present: frozenset[str]) -> str:
    # Every value carries its name, or values that shift between columns would collide.
    known = present | _DERIVED | {"provider", "model", "account", "team"}
    texts = [f"'{field}=' || {field}" for field in _TEXTS if field in known]
    numbers = [f"'{field}=' || nullif({field}, 0)" for field in _NUMBERS if field in known]
    until = ["epoch_us(until)"] if "until" in present else []
    return f"concat_ws(chr(31), {', '.join(['epoch_us(time)', *until, *texts, *numbers])})"
