"""What the back office does by itself: takes in what came, moves the journal, tidies, sums up."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from farthing.api.chores import Chore
from farthing.config import Settings
from farthing.ledger.inbox import Inbox
from farthing.ledger.workspace import Workspace

if TYPE_CHECKING:
    from farthing.ledger.intake import Summary

IMPORT_SECONDS = 1.0
COMPACT_SECONDS = 30.0

_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True, eq=False)
class Housekeeping:
    """The jobs of one workspace, and how many rows came in by them."""

    workspace: Workspace
    inbox: Inbox
    now: Callable[[], datetime] = _utc_now
    imported: int = 0

    def chores(self) -> tuple[Chore, ...]:
        return (
            Chore("import", IMPORT_SECONDS, self.take_in),
            Chore("compaction", COMPACT_SECONDS, self.compact),
        )

    def take_in(self) -> None:
        """Import the spans that were received. What cannot be accepted goes to quarantine."""
        if self.inbox.waiting():
            # Read anew, as a command would: prices and rules may have changed.
            settings = Settings.load(self.workspace.root)
            self.inbox.take_in(lambda batch: self._import(batch, settings))

    def compact(self) -> None:
        """As `farthing compact` does it; what state.db has not counted stays in the journal."""
        from farthing.ledger import rollup, watermarks
        from farthing.ledger.compact import compact
        from farthing.ledger.tidy import tidy

        compact(self.workspace, keep_from=watermarks.uncounted_from(self.workspace.root))
        tidy(self.workspace)
        rollup.update(self.workspace)

    def _import(self, batch: Path, settings: Settings) -> bool:
        from farthing.ledger.importers.otlp import IMPORTER
        from farthing.ledger.intake import Rim, import_files

        rim = Rim((IMPORTER,), self.now)
        done = import_files(self.workspace, settings, rim, [str(batch)], kind=IMPORTER.name)
        self.imported += done.added
        for reported in done.quarantine:
            # The lines that it speaks of, to mend and import again.
            shutil.copyfile(batch, reported.with_suffix(""))
        _tell(done)
        return not done.refused


def _tell(done: Summary) -> None:
    counts = {name: getattr(done, name) for name in ("added", "duplicates", "quarantined")}
    _log.info("spans imported", extra={**counts, "seconds": done.seconds})
    if done.unpriced_models:
        _log.warning("no price is known", extra={"models": sorted(done.unpriced_models)})
