"""A caller's headers: what their names say is worked out once for each list of names.

A client sends the same names with every call, and only few of their values matter here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Generic, TypeVar

from farthing.policy.rules.cache import is_telling
from farthing.providers.kinds import is_passed

T = TypeVar("T")
LABEL = b"x-farthing-"
# Lists of names that are remembered, and bytes of one: callers make them. A place takes some, too.
MANY, LARGE, PLACE = 1000, 4096, 32

_name = itemgetter(0)


class Names:
    """One list of names. Everything here is a place in the list of headers."""

    __slots__ = ("first", "keys", "labels", "passed", "size", "telling")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        places = range(len(names))
        self.first = {names[place]: place for place in reversed(places)}
        self.labels = tuple([p for p in places if names[p].startswith(LABEL)])
        self.passed = tuple([p for p in places if is_passed(names[p])])  # on to the provider
        self.telling = tuple([p for p in places if is_telling(names[p])])  # change the answer
        self.keys = names.count(b"authorization")
        self.size = sum(map(len, names))


class Lists(Generic[T]):
    """What was made of the lists of names that came before."""

    def __init__(self, make: Callable[[tuple[bytes, ...]], T]) -> None:
        self._make = make
        self._known: dict[tuple[bytes, ...], T] = {}

    def of(self, headers: Iterable[tuple[bytes, bytes]]) -> T:
        names = tuple(map(_name, headers))
        found = self._known.get(names)
        if found is None:
            found = self._make(names)
            if sum(map(len, names)) + PLACE * len(names) <= LARGE:
                if len(self._known) >= MANY:
                    self._known.clear()
                self._known[names] = found
        return found
