"""What an importer hands over: one source row in farthing's words, not yet checked or priced.

`intake` checks, prices, allocates, identifies and stores drafts; importers only translate. So a
draft carries what the source said, as it said it (text is fine for numbers and times), and
`intake` turns what it cannot accept into a quarantined row with line, field and reason.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from farthing.domain.call import Grain

Count = int | str | float | Decimal | None
Text = str | None


class Draft(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One row of a source. Unknown fields stay None; nothing is guessed here.

    Input: give `input_total` where the source's input count includes cached tokens, or
    `input_fresh` where it excludes them (Anthropic, Bedrock), never both. Output: `output_total`
    where it includes reasoning, else `output_visible` (Gemini). The rest follows.
    """

    line: int  # 1-based line of the source, or the record's number where lines mean nothing
    grain: Grain = "call"
    time: Text | int | float = None  # ISO 8601, or seconds/milliseconds/… since 1970
    until: Text | int | float = None  # charges: end of the period, exclusive
    provider: Text = None
    account: Text = None
    operation: Text = None
    model: Text = None
    model_served: Text = None
    response_id: Text = None  # the provider's id of the answer
    source_id: Text = None  # the source's own id of this row, where there is no response id
    attempt: Count = None
    input_total: Count = None
    input_fresh: Count = None
    cache_read: Count = None
    cache_write_short: Count = None
    cache_write_long: Count = None
    output_total: Count = None
    output_visible: Count = None
    reasoning: Count = None
    details: dict[str, int] | None = None  # genai-prices unit names; see domain.usage
    context: dict[str, str] | None = None  # service_tier, processing, speed …
    reported_usd: Count = None  # only where the provider itself reports the charge
    status: Text = None
    latency_ms: Count = None
    ttft_ms: Count = None
    session_id: Text = None
    trace_id: Text = None
    template_id: Text = None
    request_hash: Text = None
    team: Text = None
    project: Text = None
    feature: Text = None
    customer: Text = None
    environment: Text = None
    cost_center: Text = None
    key: Text = None
    tags: dict[str, str] | None = None
    flags: list[str] | None = None
    # Charges only (grain usage or invoice).
    describes_calls: bool | None = None
    requests: Count = None
    charge_category: Text = None
    charge_class: Text = None
    charge_description: Text = None
    service_category: Text = None
    service_name: Text = None
    region: Text = None
    resource_id: Text = None
    resource_type: Text = None
    sku_id: Text = None
    sku_meter: Text = None
    sku_price_id: Text = None
    consumed_quantity: Count = None
    consumed_unit: Text = None
    pricing_quantity: Count = None
    pricing_unit: Text = None
    commitment_id: Text = None
    invoice_id: Text = None
    billing_currency: Text = None
    billed_cost: Count = None
    list_cost: Count = None
    contracted_cost: Count = None
    effective_cost: Count = None
    other: dict[str, str] | None = None


class Problem(msgspec.Struct, omit_defaults=True):
    """A source row that could not even be translated; it goes to quarantine."""

    line: int
    field: str
    reason: str
