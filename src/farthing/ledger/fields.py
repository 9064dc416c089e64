"""Read the fields that many sources write alike: texts, times, tags, whole counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from farthing.prices.names import ALIASES, NO_PROVIDER, provider_of

TAG_LENGTH: Final = 128  # longer texts are prompts and answers more often than labels
TAG_COUNT: Final = 32
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
# What a mapping of labels may call the dimensions of a scope.
_SCOPE_LABELS: Final = ("team", "project", "feature", "customer", "environment", "cost_center")


def text(value: Any) -> str | None:
    """A text as it stands, a number as text; None for nothing and for what is neither."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def first(fields: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The value of the first of these names that the source gives one for."""
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), None)


def provider_name(said: Any) -> str | None:
    """The provider's id, also where an operation follows it, as in Vercel's `openai.chat`."""
    name = provider_of(said) if isinstance(said, str) else ""
    if name in NO_PROVIDER:
        return None
    return ALIASES.get(name.partition(".")[0], name)


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def in_utc(value: Any) -> Any:
    """A time of a source that writes UTC without saying so; other values as they are."""
    moment = _moment(value)
    return value if moment is None or moment.tzinfo else f"{value}+00:00"


def milliseconds(start: Any, end: Any) -> int | None:
    """Whole milliseconds between two ISO times; None where either cannot be read."""
    began, ended = _moment(in_utc(start)), _moment(in_utc(end))
    return None if began is None or ended is None else (ended - began) // timedelta(milliseconds=1)


def from_nanoseconds(value: Any) -> Any:
    """Nanoseconds since 1970 as ISO text in UTC, cut to microseconds; others as they are."""
    if isinstance(value, bool) or not str(value).isdecimal():
        return value
    seconds, rest = divmod(int(value), 10**9)
    if seconds > _LAST_SECOND:
        return value
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
    return moment.isoformat()


def tags_of(labels: Any) -> dict[str, str]:
    """Labels of a list: `key:value` as such, a bare one as `true`; of a mapping, its texts."""
    if isinstance(labels, Mapping):
        return {name: said for name, value in labels.items() if (said := _label(value))}
    if not isinstance(labels, list):
        return {}
    pairs = [str(label).partition(":") for label in labels if isinstance(label, str) and label]
    return {name.strip(): value.strip() or "true" for name, _, value in pairs}


def bounded(*sets: Mapping[str, str | None]) -> dict[str, str] | None:
    """The tags of a row, earlier sets first: no text over TAG_LENGTH, at most TAG_COUNT."""
    tags: dict[str, str] = {}
    for said in sets:
        for name in sorted(said):
            value = said[name]
            if value and len(value) <= TAG_LENGTH and len(tags) < TAG_COUNT:
                tags.setdefault(name, value)
    return tags or None


def take_scope(labels: dict[str, str], **given: str | None) -> dict[str, Any]:
    """The dimensions of a scope: as `given`, else from `labels`, which lose what was taken.

    A label that comes second stays one, as `label.team`.
    """
    scope = {name: value for name, value in given.items() if value}
    for name in _SCOPE_LABELS:
        for spelling in (f"farthing.{name}", name, name.replace("_", "-")):
            if spelling not in labels:
                continue
            value = labels.pop(spelling)
            if scope.setdefault(name, value) != value:
                labels[f"label.{name}"] = value
    return scope


def whole(counts: Mapping[str, Any]) -> dict[str, int] | None:
    """The counts that were given and are not nothing, for `Draft.details`."""
    return {name: n for name, said in counts.items() if (n := count(said))} or None


def count(value: Any) -> int | None:
    """A whole number, also where it is written as text; None for anything else."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _label(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return text(value)


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
