"""Filters as people write them: `environment=prod,model~gpt-4o*`.

`=` equals, `!=` differs, `~` matches a glob (`*`, `?`, `[a-z]`); a comma means and, a list of
filters means or. `team=` (nothing after it) asks for what has no team. Values with a comma or
surrounding spaces go in double quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from farthing.domain.errors import Refused

Operator = Literal["=", "!=", "~"]

_CONDITION = re.compile(
    r"""\s*(?P<field>[A-Za-z_][\w.\-]*)\s*(?P<operator>!=|=|~)\s*
        (?:"(?P<quoted>[^"]*)"|(?P<bare>[^,"]*?))\s*(?:,|$)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """`value` None stands for absence."""

    field: str
    operator: Operator
    value: str | None


All = tuple[Condition, ...]


def parse(text: str) -> All:
    """One filter: every condition must hold. Raises Refused showing where it went wrong."""
    conditions: list[Condition] = []
    position = 0
    while position < len(text):
        found = _CONDITION.match(text, position)
        if found is None:
            raise Refused(
                f"Cannot read the filter {text!r} from {text[position:]!r} on. "
                "Write field=value, field!=value or field~glob, joined by commas."
            )
        value = found["quoted"] if found["quoted"] is not None else found["bare"]
        operator: Operator = found["operator"]  # type: ignore[assignment]  # by the pattern
        conditions.append(Condition(found["field"], operator, value or None))
        position = found.end()
    if not conditions:
        raise Refused("The filter is empty. Write field=value, for example team=search.")
    return tuple(conditions)


def parse_any(texts: Iterable[str]) -> tuple[All, ...]:
    """Several filters: one of them must hold. None at all means everything."""
    return tuple(parse(text) for text in texts)


def holds(conditions: All, facts: Mapping[str, str | None]) -> bool:
    """Whether every condition is true of some facts; what they do not name is absent.

    The same answers as the SQL that `ledger.allocate` makes of a filter.
    """
    return all(_is_true(condition, facts) for condition in conditions)


def _is_true(condition: Condition, facts: Mapping[str, str | None]) -> bool:
    said = facts.get(condition.field.removeprefix("tags.").removeprefix("tag.")) or None
    if condition.operator == "~":
        return said is not None and fnmatchcase(said, condition.value or "")
    return (said == condition.value) == (condition.operator == "=")
