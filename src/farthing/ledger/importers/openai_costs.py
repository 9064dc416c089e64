"""OpenAI's cost API: what was billed per day, project and line item."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.fields import bounded, mapping, text
from farthing.ledger.importer import Options, Source
from farthing.ledger.pages import Identities, Result, results

_RESULT: Final = "organization.costs.result"
_GROUPS: Final = ("line_item", "project_id", "user_id", "api_key_id", "api_source")
_MODEL: Final = re.compile(r"[\w.:/-]*[\d-][\w.:/-]*")
_TOOLS: Final = re.compile(r"(web|file) search (tool )?calls?", re.IGNORECASE)
_TIERS: Final = frozenset({"priority", "flex", "scale"})
_UNITS: Final = {"tokens": "Tokens", "1000_tokens": "1000 Tokens", "images": "Images"}


@dataclass(frozen=True, slots=True)
class LineItem:
    """What a line item's text tells: `priority | gpt-4o-2024-08-06 audio, cached input`."""

    model: str | None = None
    meter: str | None = None
    context: Mapping[str, str] | None = None
    describes_calls: bool = False


class OpenAICosts:
    name: ClassVar[str] = "openai_costs"
    title: ClassVar[str] = "OpenAI cost API pages"

    def recognises(self, source: Source) -> float:
        return 0.98 if _RESULT.encode() in source.head else 0.0

    def read(self, source: Source, options: Options) -> Iterator[Draft | Problem]:
        identities = Identities(options.account)
        for result in results(source, "start_time", "end_time"):
            if isinstance(result, Problem):
                yield result
            elif result.fields.get("object") != _RESULT:
                yield Problem(result.line, "object", f"is not {_RESULT}")
            elif mapping(result.fields.get("amount")).get("value") is None:
                yield Problem(result.line, "amount.value", "is missing")
            else:
                yield _draft(result, identities)


def read_line_item(said: str | None) -> LineItem:
    """Model, meter and tier of a line item, as far as its text tells them.

    A line without a text is a whole day's sum, mostly model usage, so it competes with calls;
    of the texts without a model only search tools do, because a call counts its searches.
    """
    if said is None:
        return LineItem(describes_calls=True)
    head, *parts = [part.strip() for part in said.split(",")]
    *tiers, subject = [part.strip() for part in head.split("|")]
    model, _, modality = subject.partition(" ")
    if not parts or not _MODEL.fullmatch(model):
        return LineItem(meter=said, describes_calls=bool(_TOOLS.fullmatch(said)))
    return LineItem(
        model=model,
        meter=_meter(parts[0], modality),
        context=_context([*tiers, *parts[1:]]),
        describes_calls=parts[0].lower() not in {"training", "hosting", "storage"},
    )


def _draft(result: Result, identities: Identities) -> Draft:
    said = result.fields
    amount = mapping(said["amount"])
    item_text = text(said.get("line_item"))
    item = read_line_item(item_text)
    unit = text(said.get("quantity_unit"))
    return Draft(
        line=result.line,
        grain="invoice",
        time=result.start,
        until=result.end,
        provider="openai",
        model=item.model,
        source_id=identities.of(result, *(said.get(name) for name in _GROUPS)),
        context=dict(item.context) if item.context else None,
        describes_calls=item.describes_calls,
        charge_category="Usage",
        charge_description=item_text,
        service_category="AI and Machine Learning",
        service_name="OpenAI API",
        sku_id=item_text,
        sku_meter=item.meter,
        consumed_quantity=said.get("quantity"),
        consumed_unit=_UNITS.get(unit, unit) if unit else None,
        billing_currency=_currency(amount),
        billed_cost=amount["value"],
        effective_cost=amount["value"],
        project=text(said.get("project_id")),
        key=text(said.get("api_key_id")),
        tags=bounded(
            {"user": text(said.get("user_id")), "api_source": text(said.get("api_source"))}
        ),
        other=_other(said),
        flags=None if item_text else ["ungrouped"],
    )


def _meter(direction: str, modality: str) -> str:
    words = direction.lower()
    if words in {"input", "cached input", "output", "cache write", "cached write"}:
        words = f"{words} tokens"
    return f"{modality.lower()} {words}" if modality else words


def _context(words: list[str]) -> dict[str, str] | None:
    context = {}
    for word in (word.lower() for word in words):
        if word in _TIERS:
            context["service_tier"] = word
        elif word == "batch":
            context["processing"] = "batch"
    return context or None


def _currency(amount: Mapping[str, Any]) -> str | None:
    said = text(amount.get("currency"))
    return said.upper() if said else None


def _other(said: Mapping[str, Any]) -> dict[str, str] | None:
    names = ("organization_id", "organization_name", "project_name")
    return {name: value for name in names if (value := text(said.get(name)))} or None


IMPORTER = OpenAICosts()
