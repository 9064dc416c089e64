"""Give a cost its owner: allocation rules, compiled to SQL.

What the source says wins; a rule fills what the source left open; the first rule that matches
wins. What nothing fills stays unallocated.
"""

from __future__ import annotations

from collections.abc import Sequence

from farthing.config import Rule
from farthing.domain.scope import SCOPE
from farthing.domain.where import All, Condition, parse
from farthing.ledger import sql

# What a filter may name besides tags: the columns of a checked row that are text.
COLUMNS = frozenset(
    """
    provider account operation model model_served session_id trace_id template_id source
    service_category service_name region resource_id resource_type sku_id sku_meter
    charge_category status grain
""".split()
) | set(SCOPE)


def allocated(query: str, rules: Sequence[Rule]) -> str:
    """SQL: the rows of `query` with scope columns filled by `rules`.

    What the source itself said stays beside it as `said_team`, `said_project` …: a row's identity
    hangs on that, or another rule would make the same row another one.
    """
    filled = [f"{_fill(name, rules)} AS {name}" for name in SCOPE if _sets(name, rules)]
    if not filled:
        return query
    said = ", ".join(f"{name} AS said_{name}" for name in SCOPE if _sets(name, rules))
    return f"SELECT * REPLACE ({', '.join(filled)}), {said} FROM ({query})"


def keeps(rules: Sequence[Rule]) -> frozenset[str]:
    """The columns that `allocated` adds."""
    return frozenset(f"said_{name}" for rule in rules for name in rule.sets)


def matches(conditions: All) -> str:
    """SQL for a filter; a field that is no column is a tag."""
    return "(" + " AND ".join(_condition(condition) for condition in conditions) + ")"


def _sets(name: str, rules: Sequence[Rule]) -> list[Rule]:
    return [rule for rule in rules if name in rule.sets]


def _fill(name: str, rules: Sequence[Rule]) -> str:
    arms = " ".join(
        f"WHEN {matches(parse(rule.match))} THEN {sql.text(rule.sets[name])}"
        for rule in _sets(name, rules)
    )
    return f"coalesce({name}, CASE {arms} END)"


def _condition(condition: Condition) -> str:
    field = condition.field
    if field in COLUMNS:
        column = field
    else:
        column = sql.json_value("tags", field.removeprefix("tag.").removeprefix("tags."))
    if condition.value is None:
        return f"{column} IS {'NOT ' if condition.operator == '!=' else ''}NULL"
    value = sql.text(condition.value)
    return {
        "=": f"coalesce({column} = {value}, false)",
        "!=": f"{column} IS DISTINCT FROM {value}",
        "~": f"coalesce({column} GLOB {value}, false)",
    }[condition.operator]
