"""How far the budgets have counted the journal: what they have not may not be deleted."""

from __future__ import annotations

from pathlib import Path

from farthing.ledger.state import FILE, State


def uncounted_from(root: Path) -> dict[str, int] | None:
    """By set, the first segment that the sums in state.db do not have whole.

    None where there is no state.db: then nobody counts. A set that is not in it was not counted
    at all.
    """
    if not (root / FILE).exists():
        return None
    state = State.open(root)
    try:
        return dict(state.rows("SELECT journal_set, seq FROM watermarks"))
    finally:
        state.close()
