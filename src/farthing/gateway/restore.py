"""Bring budget sums back at start, and store them as they grow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from farthing.budgets.holds import OVER_BOUND, Facts, Holds, Kept, Place
from farthing.domain.call import Call
from farthing.domain.money import Money
from farthing.ledger import journal
from farthing.ledger.journal import Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace

Mark = tuple[int, int]  # a segment, and how many of its bytes are counted
Marks = dict[str, Mark]


class StoredSums:
    """The sums in state.db, looked up one at a time."""

    def __init__(self, state: State) -> None:
        self._state = state

    def kept(self, place: Place) -> Kept:
        found = self._state.rows(
            "SELECT settled_usd, blocked FROM sums "
            "WHERE budget = ? AND instance = ? AND period = ?",
            *place,
        )
        return (Money.of(found[0][0]).pico, found[0][1]) if found else (0, None)


def restore(workspace: Workspace, state: State, holds: Holds, tenants: Mapping[str, str]) -> Marks:
    """Count what was settled after the last checkpoint; answers how far every set is counted.

    `tenants` are those of the keys, by id: rows do not name them, and a budget's filter may.

    Adopt dead processes' sets before: what they left open is then settled at its hold.
    """
    rows = state.rows("SELECT journal_set, seq, offset FROM watermarks")
    marks: Marks = {name: (seq, offset) for name, seq, offset in rows}
    there = journal.segments(workspace)
    for segment in there:
        seq, offset = marks.get(segment.set, (0, 0))
        if segment.seq < seq:
            continue
        for entry in journal.read(segment, offset if segment.seq == seq else 0):
            if entry.settled and (cost := _cost(entry.call)):
                facts = {**facts_of(entry.call), "tenant": tenants.get(entry.call.key or "")}
                over = OVER_BOUND in (entry.call.flags or "").split(",")
                holds.count(facts, entry.call.time.timestamp(), cost, over=over)
    return {segment.set: (segment.seq + 1, 0) for segment in sorted(there)}


def facts_of(call: Call) -> Facts:
    """What a budget's filter sees of a row, the same as it saw of the call."""
    tags = msgspec.json.decode(call.tags) if call.tags else {}
    return {
        **tags,
        "team": call.team,
        "project": call.project,
        "feature": call.feature,
        "customer": call.customer,
        "environment": call.environment,
        "cost_center": call.cost_center,
        "key": call.key,
        "session_id": call.session_id,
        "model": call.model,
        "operation": call.operation,
        "provider": call.provider,
        "account": call.account,
    }


class Checkpoints:
    """Writes sums with the place in the journal that they include, in one transaction."""

    def __init__(self, root: Path, holds: Holds, journal: Journal, marks: Marks) -> None:
        self._root, self._holds, self._journal = root, holds, journal
        self.marks = marks  # of the sets that this process only read
        self._written: Mark | None = None

    def take(self) -> tuple[list[tuple[Place, Kept]], Marks] | None:
        """What to write. On the loop that books, so that sums and place belong together."""
        changed = self._holds.take_changed()
        mark = self._journal.position()
        if not changed and mark == self._written:
            return None
        self._written = mark
        return changed, {**self.marks, self._journal.set: mark}

    def write(
        self, state: State, changed: list[tuple[Place, Kept]], marks: Mapping[str, Mark]
    ) -> None:
        """In any thread, with a state of its own.

        The journal first: after a power cut it must reach at least as far as the marks say.
        """
        self._journal.sync()
        with state.changing() as change:
            change.executemany(
                """INSERT INTO sums (budget, instance, period, settled_usd, blocked)
                   VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
                   SET settled_usd = excluded.settled_usd, blocked = excluded.blocked""",
                [(*place, str(Money(pico)), why) for place, (pico, why) in changed],
            )
            change.executemany(
                "INSERT OR REPLACE INTO watermarks (journal_set, seq, offset) VALUES (?, ?, ?)",
                [(name, *mark) for name, mark in marks.items()],
            )

    def failed(self, changed: list[tuple[Place, Kept]]) -> None:
        self._written = None
        self._holds.put_back(changed)


def _cost(call: Call) -> int:
    """What counts in budgets: an unpriced call was held at nothing, or at a ceiling."""
    return call.effective_usd.pico if call.effective_usd is not None else 0
