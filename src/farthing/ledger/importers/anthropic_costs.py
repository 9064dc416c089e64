"""Anthropic's cost report: what was billed per day and workspace, in cents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Context, Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, ClassVar, Final

from farthing.ledger.draft import Count, Draft, Problem
from farthing.ledger.fields import bounded, text
from farthing.ledger.importer import Options, Source
from farthing.ledger.importers.anthropic_usage import context_of, overlapping
from farthing.ledger.pages import Identities, Result, results

_GROUPS: Final = (
    *("workspace_id", "description", "cost_type", "model", "token_type", "service_tier"),
    *("context_window", "inference_geo", "speed", "product", "currency"),
)
_METERS: Final = MappingProxyType(
    {
        "uncached_input_tokens": "input tokens",
        "output_tokens": "output tokens",
        "cache_read_input_tokens": "cached input tokens",
        "cache_creation.ephemeral_5m_input_tokens": "cache write 5m tokens",
        "cache_creation.ephemeral_1h_input_tokens": "cache write 1h tokens",
    }
)
# No call carries these: the usage report does not have them either.
_NOT_CALLS: Final = frozenset({"code_execution", "session_usage"})
_EXACT: Final = Context(prec=60)


class AnthropicCosts:
    """Reads `/v1/organizations/cost_report` and `/v1/organizations/analytics/cost_report`."""

    name: ClassVar[str] = "anthropic_costs"
    title: ClassVar[str] = "Anthropic cost report"

    def recognises(self, source: Source) -> float:
        head = source.head.replace(b" ", b"")
        ours = all(field in head for field in (b'"starting_at":', b'"amount":', b'"currency":'))
        return 0.97 if ours else 0.0

    def read(self, source: Source, options: Options) -> Iterator[Draft | Problem]:
        identities = Identities(options.account)
        for result in results(source, "starting_at", "ending_at"):
            if isinstance(result, Problem):
                yield result
            elif result.fields.get("amount") is None:
                yield Problem(result.line, "amount", "is missing")
            elif result.fields.get("rbac_group_id"):
                yield overlapping(result)
            else:
                yield _draft(result, identities)


def dollars(cents: Any) -> Count:
    """A hundredth, exactly; what is no number is left for intake to refuse."""
    try:
        return Decimal(cents).scaleb(-2, _EXACT)
    except (InvalidOperation, TypeError, ValueError):
        return text(cents)


def _draft(result: Result, identities: Identities) -> Draft:
    said = result.fields
    kind, description = text(said.get("cost_type")), text(said.get("description"))
    amount = dollars(said["amount"])
    return Draft(
        line=result.line,
        grain="invoice",
        time=result.start,
        until=result.end,
        provider="anthropic",
        model=text(said.get("model")),
        source_id=identities.of(result, *(said.get(name) for name in _GROUPS)),
        requests=said.get("requests"),
        context=context_of(said),
        describes_calls=kind not in _NOT_CALLS,
        charge_category="Usage",
        charge_description=description,
        service_category="AI and Machine Learning",
        service_name="Claude API",
        sku_id=description,
        sku_meter=_meter(said),
        billing_currency=_currency(said),
        billed_cost=amount,
        list_cost=dollars(said["list_amount"]) if said.get("list_amount") is not None else None,
        effective_cost=amount,
        project=text(said.get("workspace_id")),
        tags=bounded({"product": text(said.get("product"))}),
        flags=None if kind or description or said.get("model") else ["ungrouped"],
    )


def _meter(said: Mapping[str, Any]) -> str | None:
    token, kind = text(said.get("token_type")), text(said.get("cost_type"))
    if token:
        return _METERS.get(token, token.replace("_", " "))
    return kind.replace("_", " ") if kind else None


def _currency(said: Mapping[str, Any]) -> str | None:
    currency = text(said.get("currency"))
    return currency.upper() if currency else None


IMPORTER = AnthropicCosts()
