"""Write a line in the log for each call, or each that failed: who, what, how much; never a body.

Made from the journal's rows, so that the gateway does nothing for it. A row holds no prompt, no
answer and no secret, and neither does a line.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Literal

from farthing.api.in_force import InForce
from farthing.api.whole_calls import WholeCalls, is_later
from farthing.domain.call import Traced, fault_of
from farthing.domain.money import Money
from farthing.domain.scope import SCOPE
from farthing.ledger import tail
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace

NAME = "log"
BATCH_BYTES = 1 << 20
RUN_SECONDS = 4.0
_NOT_OK = b'"status":'  # a line leaves `ok` out, mostly

_log = logging.getLogger("farthing.calls")


class CallLog:
    """For one thread: it opens its own state.db there."""

    def __init__(
        self,
        workspace: Workspace,
        told: Literal["calls", "errors"],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspace, self._all, self._clock = workspace, told == "calls", clock
        self._calls = WholeCalls()
        self._marks: tail.Marks | None = None
        self._state: State | None = None
        self._in_force: InForce

    def run(self) -> None:
        """Tell of what came since."""
        if self._state is None:
            self._state = State.open(self._workspace.root)
            self._in_force = InForce(self._state)
        if self._marks is None:
            self._marks = tail.place(self._state, NAME) or {}
        self._in_force.look()
        ends = self._clock() + RUN_SECONDS
        try:
            while self._some(self._state) and self._clock() < ends:
                pass
        except Exception:
            self._calls, self._marks = WholeCalls(), None
            raise

    def _some(self, state: State) -> bool:
        assert self._marks is not None
        now = self._clock()
        lines, marks = tail.read(self._workspace, self._marks, BATCH_BYTES)
        for line in lines:
            if self._all or _NOT_OK in line.text or is_later(line.text):
                self._calls.take(line, now + self._in_force.patience)
        ended = list(self._calls.ended(now))
        for rows in ended:
            if self._all or rows[-1].status != "ok":
                _tell(rows, self._in_force.tenants)
        if marks != self._marks or ended:
            tail.keep_place(state, NAME, self._calls.place(marks))
        self._marks = marks
        return bool(lines)


def _tell(rows: list[Traced], tenants: Mapping[str, str]) -> None:
    last = rows[-1]
    cost = [each.effective_usd for each in rows if each.effective_usd is not None]
    said = {
        "request_id": last.id,
        "status": last.status,
        "code": _code(last),
        "operation": last.operation,
        "model": last.model,
        "model_served": last.model_served,
        "provider": last.provider,
        "attempts": sum(each.attempt > 0 for each in rows),
        "input_tokens": sum(
            each.input_fresh + each.cache_read + each.cache_write_short + each.cache_write_long
            for each in rows
        ),
        "output_tokens": sum(each.output_visible + each.reasoning for each in rows),
        "cost_usd": str(Money(sum(each.pico for each in cost))) if cost else None,
        "saved_usd": str(last.counterfactual_usd) if last.counterfactual_usd else None,
        "latency_ms": last.latency_ms,
        "ttft_ms": last.ttft_ms,
        "cache": last.cache,
        "tenant": tenants.get(last.key or ""),
        **{name: getattr(last, name) for name in SCOPE},
        "session": last.session_id,
        "trace_id": last.trace_id,
        "flags": last.flags,
        "began": last.time.isoformat(timespec="milliseconds"),
    }
    level = logging.INFO if last.status == "ok" else logging.WARNING
    _log.log(
        level, "call", extra={name: value for name, value in said.items() if value is not None}
    )


def _code(row: Traced) -> str | None:
    """Why a call was refused, or what went wrong with its last attempt."""
    if row.status == "refused":
        return row.reason
    return fault_of((row.flags or "").split(",")) if row.status == "error" else None
