"""Export what the gateway journals as spans: at least once, and the same spans each time.

The gateway does nothing for it. A place in the journal is kept in state.db once the collector has
acknowledged what is before it; ids are made of the call's, so that a span told twice is one span.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from farthing.api import call_spans
from farthing.api.call_spans import Surroundings
from farthing.api.collector import Collector, Unwanted
from farthing.api.in_force import InForce
from farthing.api.whole_calls import WholeCalls
from farthing.config import Settings
from farthing.domain.call import Traced
from farthing.domain.errors import FarthingError
from farthing.domain.trace import is_sampled
from farthing.gateway.upstreams import upstreams_of
from farthing.ledger import tail
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace

BATCH_BYTES = 512 << 10  # of the journal: some thousand spans
RUN_SECONDS = 4.0  # for which one run goes on, so that the office can end
MOST_BEHIND = 256 << 20  # bytes of journal that wait for a collector; a restart reads them all
LONG_AWAY = 8 << 20  # that are given up beyond that, so that it is not one row at a time

_log = logging.getLogger(__name__)


class Exporter:
    """For one thread: it opens its own state.db there."""

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        collector: Collector,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspace, self._settings, self._collector = workspace, settings, collector
        self._clock = clock
        self._calls = WholeCalls()
        self._marks: tail.Marks | None = None
        self._places = _places(settings)
        self._state: State | None = None
        self._in_force: InForce
        self.exported = self.rejected = self.given_up = self.unsampled = 0
        self.behind = 0

    def run(self) -> None:
        """Send what came since. Raises Unavailable: then all of it is sent again."""
        state = self._opened()
        ends = self._clock() + RUN_SECONDS
        if self._marks is None:
            self._marks = tail.place(state, tail.HOLDING) or {}
            tail.keep_place(state, tail.HOLDING, self._marks)
        self._in_force.look()
        try:
            while self._some(state) and self._clock() < ends:
                pass
        except Exception:
            # What was taken and not sent is read again, with all that came since.
            self._calls, self._marks = WholeCalls(), None
            self._bound(state)
            raise
        self.behind = tail.behind(self._workspace, self._marks)

    def _some(self, state: State) -> bool:
        """One document. False when nothing is left to send."""
        assert self._marks is not None
        now = self._clock()
        lines, marks = tail.read(self._workspace, self._marks, BATCH_BYTES)
        until = now + self._in_force.patience
        rows = [row for line in lines if (row := self._calls.take(line, until))]
        ended = list(self._calls.ended(now))
        wanted = [each for each in ended if self._is_wanted(each[-1])]
        self._send(self._wanted(rows), wanted)
        if marks != self._marks or ended:
            tail.keep_place(state, tail.HOLDING, self._calls.place(marks))
        self._marks = marks
        return bool(lines)

    def _send(self, rows: list[Traced], ended: list[list[Traced]]) -> None:
        around = Surroundings(self._places, self._in_force.tenants)
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        call_spans.describe(group.resource)
        into = group.scope_spans.add()
        into.scope.name = "farthing"
        for row in rows:
            if row.attempt:
                call_spans.attempt(into, row, around)
        for call in ended:
            call_spans.call(into, call, around)
        if not into.spans:
            return
        try:
            self.rejected += self._collector.send(request)
        except Unwanted as error:
            _log.error("spans given up", extra={"spans": len(into.spans), "why": str(error)})
            self.given_up += len(into.spans)
        else:
            self.exported += len(into.spans)

    def _wanted(self, rows: list[Traced]) -> list[Traced]:
        kept = [row for row in rows if self._is_wanted(row)]
        self.unsampled += len(rows) - len(kept)
        return kept

    def _is_wanted(self, row: Traced) -> bool:
        return self._settings.telemetry.sampling == "all" or is_sampled(row.parent_span)

    def _bound(self, state: State) -> None:
        """A collector that is away for long must not fill the disk with journal."""
        marks = tail.place(state, tail.HOLDING) or {}
        self.behind = tail.behind(self._workspace, marks)
        if self.behind <= MOST_BEHIND:
            return
        lines, marks = tail.read(self._workspace, marks, self.behind - MOST_BEHIND + LONG_AWAY)
        self.given_up += sum(line.text.startswith(b'{"line":"call"') for line in lines)
        _log.error("rows without spans", extra={"why": "the collector was away for too long"})
        tail.keep_place(state, tail.HOLDING, marks)

    def _opened(self) -> State:
        if self._state is None:
            self._state = State.open(self._workspace.root)
            self._in_force = InForce(self._state)
        return self._state


def _places(settings: Settings) -> dict[tuple[str, str | None], call_spans.Place]:
    try:
        upstreams = upstreams_of(settings, lambda _: str, lambda _scheme, _host: None).all
    except FarthingError:  # the gateway does not start with these either, and says why
        return {}
    return {
        (each.provider, each.account): (each.origin.host, each.origin.port)
        for each in upstreams.values()
    }
