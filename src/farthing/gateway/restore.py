"""Bring budget sums back at start, and store them as they grow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from farthing.budgets.holds import OVER_BOUND, Facts, Holds, Kept, Place
from farthing.domain.call import Call
from farthing.domain.errors import Unavailable
from farthing.domain.money import Money
from farthing.ledger import journal
from farthing.ledger.journal import Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace

Mark = tuple[int, int]  # a segment, and how many of its bytes are counted
Marks = dict[str, Mark]
NO_CUTS: Mapping[str, Marks] = {}


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


class Settled(NamedTuple):
    """What a line of the journal adds to the sums."""

    facts: Facts
    at: float  # epoch seconds
    cost: int  # picodollars
    over: bool  # it cost more than it held


def restore(
    workspace: Workspace,
    state: State,
    holds: Holds,
    tenants: Mapping[str, str],
    cuts: Mapping[str, Marks] = NO_CUTS,
) -> Marks:
    """Count what was settled after the last checkpoint; answers how far every set is counted.

    `tenants` are those of the keys, by id: rows do not name them, and a budget's filter may.
    `cuts` are the marks of the budgets that were set since, and have no checkpoint of their own.

    Adopt dead processes' sets before: what they left open is then settled at its hold.
    """
    rows = state.rows("SELECT journal_set, seq, offset FROM watermarks")
    marks: Marks = {name: (seq, offset) for name, seq, offset in rows}
    there = journal.segments(workspace)
    others = set(holds.names()) - cuts.keys()
    count(holds, settled_after(workspace, marks, tenants), others)
    for cut, names in by_cut(cuts):
        count(holds, settled_after(workspace, cut, tenants), names)
    return {segment.set: (segment.seq + 1, 0) for segment in sorted(there)}


def count(holds: Holds, settled: Iterable[Settled], names: Collection[str]) -> None:
    """Add lines to the sums of these budgets, which lack them."""
    for facts, at, cost, over in settled:
        holds.count(facts, at, cost, over=over, only=names)


def by_cut(cuts: Mapping[str, Marks]) -> list[tuple[Marks, set[str]]]:
    """Budgets that were set together have one cut, and are counted in one go."""
    together: list[tuple[Marks, set[str]]] = []
    for name, cut in cuts.items():
        names = next((names for known, names in together if known == cut), None)
        if names is None:
            together.append((cut, {name}))
        else:
            names.add(name)
    return together


def settled_after(
    workspace: Workspace, marks: Marks, tenants: Mapping[str, str]
) -> Iterator[Settled]:
    """What the journal has after these marks. Raises Unavailable where some of it is gone."""
    for segment in journal.segments(workspace):
        seq, offset = marks.get(segment.set, (0, 0))
        if segment.seq < seq:
            continue
        try:
            entries = journal.read(segment, offset if segment.seq == seq else 0)
            for entry in entries:
                if entry.settled and (cost := _cost(entry.call)):
                    facts = {**facts_of(entry.call), "tenant": tenants.get(entry.call.key or "")}
                    over = OVER_BOUND in (entry.call.flags or "").split(",")
                    yield Settled(facts, entry.call.time.timestamp(), cost, over)
        except OSError as error:
            raise Unavailable(f"The journal cannot be read: {error}.") from error


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


class Taken(NamedTuple):
    """What one checkpoint writes."""

    changed: list[tuple[Place, Kept]]
    marks: Marks
    openings: Mapping[str, int]  # that the sums go on from, by budget
    joined: set[int]


class Checkpoints:
    """Writes sums with the place in the journal that they include, in one transaction."""

    def __init__(self, root: Path, holds: Holds, journal: Journal, marks: Marks) -> None:
        self._root, self._holds, self._journal = root, holds, journal
        self.marks = marks  # of the sets that this process only read
        self._written: Mark | None = None
        self._joined: set[int] = set()  # openings counted up to now, which state.db lacks

    def joined(self, openings: Iterable[int]) -> None:
        """The sums of these openings have the journal as far as all others'."""
        self._joined.update(openings)

    def take(self) -> Taken | None:
        """What to write. On the loop that books, so that sums and place belong together."""
        changed = self._holds.take_changed()
        mark = self._journal.position()
        if not changed and not self._joined and mark == self._written:
            return None
        self._written = mark
        joined, self._joined = self._joined, set()
        marks = {**self.marks, self._journal.set: mark}
        return Taken(changed, marks, self._holds.openings, joined)

    def write(self, state: State, taken: Taken) -> None:
        """In any thread, with a state of its own.

        The journal first: after a power cut it must reach at least as far as the marks say. A
        budget that was opened anew meanwhile keeps its new sums.
        """
        self._journal.sync()
        with state.changing() as change:
            change.executemany(
                """INSERT INTO sums (budget, instance, period, settled_usd, blocked)
                   SELECT ?, ?, ?, ?, ?
                   WHERE ? = coalesce((SELECT id FROM openings WHERE budget = ?), 0)
                   ON CONFLICT DO UPDATE
                   SET settled_usd = excluded.settled_usd, blocked = excluded.blocked""",
                [
                    (*place, str(Money(pico)), why, taken.openings.get(place[0], 0), place[0])
                    for place, (pico, why) in taken.changed
                ],
            )
            change.executemany(
                "INSERT OR REPLACE INTO watermarks (journal_set, seq, offset) VALUES (?, ?, ?)",
                [(name, *mark) for name, mark in taken.marks.items()],
            )
            change.executemany(
                "UPDATE openings SET cut = NULL WHERE id = ?", [(id,) for id in taken.joined]
            )

    def failed(self, taken: Taken) -> None:
        self._written = None
        self._joined |= taken.joined
        self._holds.put_back(taken.changed)


def _cost(call: Call) -> int:
    """What counts in budgets: an unpriced call was held at nothing, or at a ceiling."""
    return call.effective_usd.pico if call.effective_usd is not None else 0
