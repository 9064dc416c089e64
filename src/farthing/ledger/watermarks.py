"""How far the journal was counted and exported: what was not may not be deleted."""

from __future__ import annotations

from pathlib import Path

from farthing.ledger import tail
from farthing.ledger.state import FILE, State


def uncounted_from(root: Path) -> dict[str, int] | None:
    """By set, the first segment that the sums in state.db, or a follower, do not have whole.

    None where there is no state.db: then nobody counts. A set that is not in it was not counted
    at all.
    """
    if not (root / FILE).exists():
        return None
    state = State.open(root)
    try:
        counted = dict(state.rows("SELECT journal_set, seq FROM watermarks"))
        marks = tail.place(state, tail.HOLDING)
        if marks is None:  # nobody waits for spans
            return counted
        return {name: min(counted[name], marks[name][0]) for name in counted.keys() & marks.keys()}
    finally:
        state.close()
