"""One name for a model that two sources call differently: `gpt-4o`, `gpt-4o-2024-08-06`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

_VERSION = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{3,4}|latest|preview)$")


def family(name: str) -> str:
    """The name without who serves it and without its version or date."""
    short = name.rsplit("/", 1)[-1].lower()
    while found := _VERSION.search(short):
        short = short[: found.start()]
    return short


def same_names(sides: Iterable[Iterable[str]]) -> dict[str, str]:
    """What to call each model so that the sides can be compared.

    Sides that use the same names for a family keep them; where they differ, the family's name
    stands for all of its models.
    """
    used: dict[str, list[set[str]]] = defaultdict(list)
    names: set[str] = set()
    for side in sides:
        mine: dict[str, set[str]] = defaultdict(set)
        for name in side:
            mine[family(name)].add(name)
            names.add(name)
        for each, spelled in mine.items():
            used[each].append(spelled)
    agreed = {each for each, spellings in used.items() if all(s == spellings[0] for s in spellings)}
    return {name: name if family(name) in agreed else family(name) for name in names}
