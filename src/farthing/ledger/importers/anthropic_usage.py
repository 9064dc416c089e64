"""Anthropic's usage report: tokens per time bucket, grouped as the caller asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.fields import bounded, mapping, text, whole
from farthing.ledger.importer import Options, Source
from farthing.ledger.pages import Identities, Result, results

_GROUPS: Final = (
    *("workspace_id", "api_key_id", "model", "service_tier", "context_window", "inference_geo"),
    *("speed", "account_id", "service_account_id", "product"),
)


class AnthropicUsage:
    """Reads `/v1/organizations/usage_report/messages` and `…/analytics/usage_report`."""

    name: ClassVar[str] = "anthropic_usage"
    title: ClassVar[str] = "Anthropic usage report"

    def recognises(self, source: Source) -> float:
        head = source.head
        return 0.98 if b'"uncached_input_tokens":' in head.replace(b" ", b"") else 0.0

    def read(self, source: Source, options: Options) -> Iterator[Draft | Problem]:
        identities = Identities(options.account)
        for result in results(source, "starting_at", "ending_at"):
            if isinstance(result, Problem):
                yield result
            elif "uncached_input_tokens" not in result.fields:
                yield Problem(result.line, "uncached_input_tokens", "is missing")
            elif result.fields.get("rbac_group_id"):
                yield overlapping(result)
            else:
                yield _draft(result, identities)


def overlapping(result: Result) -> Problem:
    """Somebody in two groups counts in both, so such rows do not add up to the bill."""
    return Problem(
        result.line,
        "rbac_group_id",
        "groups overlap, so their rows count a person twice; "
        "fetch the report without group_by rbac_group_id",
    )


def context_of(said: Mapping[str, Any]) -> dict[str, str] | None:
    """What changes the price of these tokens, as far as the report was grouped by it."""
    context = {}
    tier = text(said.get("service_tier"))
    if tier == "batch":
        context["processing"] = "batch"
    elif tier:
        context["service_tier"] = tier
    for name in ("speed", "inference_geo", "context_window"):
        if (value := text(said.get(name))) and value != "not_available":
            context[name] = value
    return context or None


def _draft(result: Result, identities: Identities) -> Draft:
    said = result.fields
    written = mapping(said.get("cache_creation"))
    return Draft(
        line=result.line,
        grain="usage",
        time=result.start,
        until=result.end,
        provider="anthropic",
        model=text(said.get("model")),
        source_id=identities.of(result, *(said.get(name) for name in _GROUPS)),
        requests=said.get("requests"),
        input_fresh=said["uncached_input_tokens"],
        cache_read=said.get("cache_read_input_tokens"),
        cache_write_short=written.get("ephemeral_5m_input_tokens"),
        cache_write_long=written.get("ephemeral_1h_input_tokens"),
        output_total=said.get("output_tokens"),
        details=whole(
            {"web_searches": mapping(said.get("server_tool_use")).get("web_search_requests")}
        ),
        context=context_of(said),
        describes_calls=True,
        charge_category="Usage",
        service_category="AI and Machine Learning",
        service_name="Claude API",
        project=text(said.get("workspace_id")),
        key=text(said.get("api_key_id")),
        tags=bounded(
            {
                "user": text(said.get("account_id")),
                "service_account": text(said.get("service_account_id")),
                "product": text(said.get("product")),
            }
        ),
    )


IMPORTER = AnthropicUsage()
