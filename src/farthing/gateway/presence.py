"""Whether an answer may be on disk, told without asking the disk."""

from __future__ import annotations

from collections.abc import Iterable

SLOTS = 1 << 22  # a byte each: 4 MB however many answers there are
_MOST = 255


class Presence:
    """Counts the places that fall into each slot. May say yes in vain, which costs one reading.

    A quarter of a million answers, which is more than most disks are given room for, make 6 in
    100 absent ones look present. Only one thread may change it; any may ask.
    """

    __slots__ = ("_slots",)

    def __init__(self, places: Iterable[bytes] = ()) -> None:
        self._slots = bytearray(SLOTS)
        for place in places:
            self.add(place)

    def __contains__(self, place: bytes) -> bool:
        return self._slots[int.from_bytes(place[:4], "big") % SLOTS] > 0

    def add(self, place: bytes) -> None:
        slot = int.from_bytes(place[:4], "big") % SLOTS
        self._slots[slot] = min(self._slots[slot] + 1, _MOST)

    def drop(self, place: bytes) -> None:
        """A slot that ever was full stays so: nobody knows how many it stands for."""
        slot = int.from_bytes(place[:4], "big") % SLOTS
        if 0 < self._slots[slot] < _MOST:
            self._slots[slot] -= 1
