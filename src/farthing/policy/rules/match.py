"""Filters and globs made ready to be asked for every call.

The same answers as `domain.where.holds`, at a tenth of a microsecond in place of several.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate

from farthing.domain.where import Condition, parse

Facts = Mapping[str, str | None]
Test = Callable[[Facts], bool]
Glob = Callable[[str], object]  # true or false in a condition

_SPECIAL = frozenset("*?[")


def filter_of(where: str) -> Test | None:
    """A filter as a function; None where it is empty and everything matches."""
    if not where:
        return None
    tests = [_test(condition) for condition in parse(where)]
    if len(tests) == 1:
        return tests[0]
    return lambda facts: all([test(facts) for test in tests])


def glob_of(glob: str) -> Glob:
    """Case matters, as everywhere in filters."""
    if not _SPECIAL & set(glob):
        return glob.__eq__
    start = glob[:-1]
    if glob.endswith("*") and not _SPECIAL & set(start):
        return lambda text: text.startswith(start)
    return re.compile(translate(glob)).match


def _test(condition: Condition) -> Test:
    name = condition.field.removeprefix("tags.").removeprefix("tag.")
    wanted = condition.value
    if condition.operator == "~":
        glob = glob_of(wanted or "")
        return lambda facts: bool((said := facts.get(name)) and glob(said))
    if condition.operator == "=":
        return lambda facts: (facts.get(name) or None) == wanted
    return lambda facts: (facts.get(name) or None) != wanted
