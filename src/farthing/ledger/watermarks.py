"""How far the journal was counted and exported: what was not may not be deleted."""

from __future__ import annotations

from pathlib import Path

from farthing.domain.text import from_text
from farthing.ledger import tail
from farthing.ledger.state import FILE, State

Cut = dict[str, tuple[int, int]]  # by set: the segment, and the byte in it, that come next


def uncounted_from(root: Path) -> dict[str, int] | None:
    """By set, the first segment that the sums in state.db, or a follower, do not have whole.

    A budget that was just set may have less of the journal than the others: up to its cut. None
    where there is no state.db: then nobody counts. A set that is not in it was not counted at all.
    """
    if not (root / FILE).exists():
        return None
    state = State.open(root)
    try:
        found = dict(state.rows("SELECT journal_set, seq FROM watermarks"))
        for (cut,) in state.rows("SELECT cut FROM openings WHERE cut IS NOT NULL"):
            ends = from_text(cut, Cut)
            found = {name: min(seq, ends.get(name, (0, 0))[0]) for name, seq in found.items()}
        marks = tail.place(state, tail.HOLDING)
        if marks is None:  # nobody waits for spans
            return found
        return {name: min(found[name], marks[name][0]) for name in found.keys() & marks.keys()}
    finally:
        state.close()
