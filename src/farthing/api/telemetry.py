"""What the office tells others of the gateway's calls: spans to a collector, lines to the log."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from farthing.access.secret import Secrets
from farthing.api.call_log import NAME, CallLog
from farthing.api.chores import Chore
from farthing.config import Settings
from farthing.ledger import tail
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace

if TYPE_CHECKING:
    from farthing.api.exporter import Exporter

EVERY_SECONDS = 0.5


class Telemetry:
    """As `[telemetry]` says. Whoever is told nothing more is forgotten."""

    def __init__(self, workspace: Workspace, settings: Settings, state: State) -> None:
        """Raises Refused where a secret or a file that it names is not there."""
        self.exporter = _exporter(workspace, settings)
        if self.exporter is None:
            tail.leave(state, tail.HOLDING)
        told = settings.telemetry.log
        self._log = None if told == "off" else CallLog(workspace, told)
        if self._log is None:
            tail.leave(state, NAME)

    def lanes(self) -> list[tuple[Chore, ...]]:
        """Each to a thread of its own: a slow collector keeps nobody waiting."""
        found: list[tuple[Chore, ...]] = []
        if self.exporter is not None:
            found.append((Chore("spans", EVERY_SECONDS, self.exporter.run),))
        if self._log is not None:
            found.append((Chore("call log", EVERY_SECONDS, self._log.run),))
        return found


def _exporter(workspace: Workspace, settings: Settings) -> Exporter | None:
    if settings.telemetry.otlp is None:
        return None
    from farthing.api.collector import Collector
    from farthing.api.exporter import Exporter

    folder = settings.path.parent if settings.path else workspace.root
    collector = Collector(settings.telemetry, Secrets(folder, os.environ), folder)
    return Exporter(workspace, settings, collector)
