"""What the back office does by itself: it moves the journal, tidies, and sums up."""

from __future__ import annotations

from farthing.api.chores import Chore
from farthing.ledger.workspace import Workspace

COMPACT_SECONDS = 30.0


def chores(workspace: Workspace) -> tuple[Chore, ...]:
    return (Chore("compaction", COMPACT_SECONDS, lambda: compact(workspace)),)


def compact(workspace: Workspace) -> None:
    """As `farthing compact` does it; what state.db has not counted stays in the journal."""
    from farthing.ledger import rollup, watermarks
    from farthing.ledger.compact import compact as move
    from farthing.ledger.tidy import tidy

    move(workspace, keep_from=watermarks.uncounted_from(workspace.root))
    tidy(workspace)
    rollup.update(workspace)
