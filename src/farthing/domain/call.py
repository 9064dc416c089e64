"""One attempt at a call to a model: the row that the ledger keeps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, get_args

import msgspec

from farthing.domain.money import Money

Status = Literal["ok", "error", "cancelled", "refused", "recovered"]
STATUSES: tuple[str, ...] = get_args(Status)

Grain = Literal["call", "usage", "invoice"]
GRAINS: tuple[str, ...] = get_args(Grain)


class Unit(str):
    """A column's unit, written beside its type: `Annotated[int, Unit("tokens")]`."""


Tokens = Annotated[int, Unit("tokens")]
Milliseconds = Annotated[int, Unit("ms")]
Json = Annotated[str, Unit("JSON object, keys sorted")]
Codes = Annotated[str, Unit("codes, comma-separated, sorted")]


class Call(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A row is one attempt: (id, attempt, revision) is its key. Facts are never edited.

    `ledger.schema` makes the tables, the journal's lines and the readers from these fields;
    a new field goes at the end, with a default, so that older ledgers stay readable.
    """

    id: str  # 32 hex digits: a UUIDv7, or derived from what the source said (design §4)
    attempt: int = 1  # 0: a cache hit, a coalesced follower, a refusal; nothing was sent
    revision: int = 0  # > 0: a correction; odd ones reverse, even ones book anew
    booked_at: datetime | None = None  # when a correction was made; None: with the call itself
    time: datetime  # UTC, when the call began
    source: str  # the importer or `gateway`
    provider: str | None = None
    account: str | None = None
    operation: str | None = None  # OpenTelemetry gen_ai.operation.name
    model: str | None = None  # as asked
    model_served: str | None = None  # as answered
    response_id: str | None = None  # the provider's
    input_fresh: Tokens = 0
    cache_read: Tokens = 0
    cache_write_short: Tokens = 0
    cache_write_long: Tokens = 0
    output_visible: Tokens = 0
    reasoning: Tokens = 0
    details: Json | None = None  # modality parts and extras, by genai-prices unit name
    context: Json | None = None  # service_tier, processing, speed: what changes the price
    reported_usd: Money | None = None  # what the provider says it charged
    list_usd: Money | None = None
    contracted_usd: Money | None = None
    effective_usd: Money | None = None  # None: unpriced. Never 0 for want of a price
    counterfactual_usd: Money | None = None  # what it would have cost, where something was saved
    reason: str | None = None  # why it was saved: cache, coalesce, route, prompt …
    price_ids: Codes | None = None
    policy_version: str | None = None
    arm: str | None = None
    team: str | None = None
    project: str | None = None
    feature: str | None = None
    customer: str | None = None
    environment: str | None = None
    cost_center: str | None = None
    key: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    template_id: str | None = None
    request_hash: str | None = None
    tags: Json | None = None
    status: Status = "ok"
    latency_ms: Milliseconds | None = None
    ttft_ms: Milliseconds | None = None
    flags: Codes | None = None  # suspect, unpriced, recovered, estimated, clamped …


def fault_of(flags: Iterable[str]) -> str:
    """What went wrong with an attempt that failed: `429` where that was answered, else a word."""
    for flag in sorted(flags):
        if flag.startswith("http_"):
            return flag.removeprefix("http_")
        if flag in _FAULTS:
            return flag
    return "lost"


_FAULTS = frozenset(
    (
        "broken_off",
        "garbled_answer",
        "garbled_stream",
        "not_sent",
        "overlong_answer",
        "stream_error",
    )
)


class Traced(Call, frozen=True, omit_defaults=True, kw_only=True):
    """The gateway's own row, with what spans and logs tell beside it.

    The journal carries these fields; the tables have no columns for them.
    """

    parent_span: str | None = None  # the caller's, and its flags: 00f067aa0ba902b7-01
    trace_state: str | None = None  # the caller's tracestate, as it came
    cache: str | None = None  # what x-farthing-cache says
    sent_ms: Milliseconds | None = None  # until the attempt's bytes left, from the call's beginning
