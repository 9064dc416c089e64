"""What a provider's answer says about the call: who, which model, how much of what."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from math import isfinite
from typing import Any

import msgspec

from farthing.domain.errors import BadInput
from farthing.domain.money import PLACES
from farthing.domain.usage import Usage

Body = Mapping[str, Any]
NOTHING: Body = {}
_PICODOLLAR = Decimal(1).scaleb(-PLACES)
# No provider takes a trillion tokens in one call: the count is garbage.
_ABSURD = 10**12


class Reading(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One answer, read. `also` holds further model runs that are billed beside it.

    `context` is what changes the price (service_tier, processing, speed, inference_geo);
    `reported_usd` is what the provider says it charged, as decimal text.
    """

    usage: Usage
    provider: str | None = None
    model: str | None = None
    response_id: str | None = None
    context: Mapping[str, str] = {}
    reported_usd: str | None = None
    flags: tuple[str, ...] = ()
    also: tuple[Reading, ...] = ()


class Block:
    """A usage block, read field by field. What is not a count is refused, naming the field."""

    def __init__(self, fields: Body, where: str) -> None:
        self._fields, self._where = fields, where

    def count(self, *path: str) -> int:
        """The whole number at a path; 0 where it is absent or null."""
        return self.known(*path) or 0

    def known(self, *path: str) -> int | None:
        """The same, but None where it is absent or null."""
        *parents, name = path
        fields: Any = self._fields
        for parent in parents:
            fields = fields.get(parent)
            if not isinstance(fields, Mapping):
                return None
        value = fields.get(name)
        return None if value is None else _whole(value, ".".join((self._where, *path)))

    def required(self, *path: str) -> int:
        found = self.known(*path)
        if found is None:
            where = ".".join((self._where, *path))
            raise BadInput(where, "it is missing", "Import the answer as the provider sent it.")
        return found

    def text(self, *path: str) -> str | None:
        value: Any = self._fields
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value if isinstance(value, str) and value else None

    def records(self, name: str) -> list[Block]:
        """A list of objects; anything else in it is skipped."""
        items = self._fields.get(name)
        if not isinstance(items, list):
            return []
        where = f"{self._where}.{name}"
        return [
            Block(item, f"{where}[{place}]")
            for place, item in enumerate(items)
            if isinstance(item, Mapping)
        ]

    def usd(self, name: str, per_usd: int = 1) -> str | None:
        """An amount in dollars, or in parts of which `per_usd` make one."""
        value = self._fields.get(name)
        if value is None or isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return None
        # The text of a parsed JSON number is what the provider wrote; no arithmetic on floats.
        amount = Decimal(str(value))
        if not amount.is_finite() or not 0 <= amount < _ABSURD:
            return None
        rounded = (amount / per_usd).quantize(_PICODOLLAR, ROUND_HALF_EVEN)
        return f"{rounded.normalize():f}"

    def required_ceiling(self, name: str) -> int:
        """A duration in whole seconds, begun ones counted."""
        value = self._fields.get(name)
        if isinstance(value, float | Decimal) and isfinite(value) and 0 <= value < _ABSURD:
            return int(Decimal(str(value)).to_integral_value(ROUND_CEILING))
        return self.required(name)

    def flagged(self, name: str) -> bool:
        return self._fields.get(name) is True

    def holds(self, *names: str) -> bool:
        return any(self._fields.get(name) is not None for name in names)


def block(body: Body, *path: str) -> Block:
    """The usage block of an answer. BadInput where there is none."""
    fields: Any = body
    for name in path:
        fields = fields.get(name) if isinstance(fields, Mapping) else None
    if not isinstance(fields, Mapping):
        raise BadInput(
            ".".join(path),
            "the answer has no usage",
            "Streams report it in their last event; ask for it, or import that event.",
        )
    return Block(fields, ".".join(path))


def named(body: Body, *names: str) -> str | None:
    """The first of some fields that is a non-empty text."""
    return next((v for name in names if isinstance(v := body.get(name), str) and v), None)


def tier(value: str | None) -> dict[str, str]:
    """The price context of a service tier, in lower case as price lists have it."""
    return {"service_tier": value.lower()} if value else {}


def counted(**counts: int) -> dict[str, int]:
    """Usage details without the zeros."""
    return {unit: count for unit, count in counts.items() if count}


def suspicions(usage: Usage) -> tuple[str, ...]:
    """`suspect` where parts exceed their whole."""
    parts = {"input_": usage.input_tokens, "output_": usage.output_tokens}
    for unit, count in usage.details.items():
        whole = next((total for side, total in parts.items() if unit.startswith(side)), None)
        if unit.endswith("_tokens") and whole is not None and count > whole:
            return ("suspect",)
    return ("suspect",) if usage.suspect else ()


def _whole(value: object, where: str) -> int:
    exact = value if isinstance(value, int) and not isinstance(value, bool) else None
    # A remainder of a Decimal beyond 28 digits cannot be taken, so the size is looked at first.
    if isinstance(value, float | Decimal) and isfinite(value) and -_ABSURD <= value <= _ABSURD:
        exact = int(value) if value % 1 == 0 else None
    if exact is None or exact < 0 or exact > _ABSURD:
        raise BadInput(where, f"{value!r} is not a count", "It must be a whole number ≥ 0.")
    return exact
