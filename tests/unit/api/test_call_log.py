"""One line a call in the log, or one for each that failed; what must not be there is not."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from farthing.api.call_log import CallLog
from farthing.api.logs import JsonLines
from farthing.domain.money import Money
from farthing.ledger.journal import Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from tests.unit.api.rows import call_id, failed, refused, row


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace.open(tmp_path)
    State.open(workspace.root).close()
    return workspace


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Any:
    # import-linter, which another test runs in this process, silences loggers that it finds.
    monkeypatch.setattr(logging.getLogger("farthing.calls"), "disabled", False)
    caplog.set_level(logging.INFO, "farthing.calls")
    return lambda: [
        msgspec.json.decode(JsonLines().format(each))
        for each in caplog.records
        if each.name == "farthing.calls"
    ]


@pytest.mark.parametrize(("told", "ids"), [("calls", [1, 2, 4, 3]), ("errors", [2, 3])])
def test_each_call_has_one_line(
    workspace: Workspace, lines: Any, told: Literal["calls", "errors"], ids: list[int]
) -> None:
    clock = Clock()
    log = CallLog(workspace, told, clock)
    with Journal(workspace) as writing:
        writing.intent(row(1), Money.of("1"))
        writing.settle(row(1))
        writing.settle(refused(2))
        writing.settle(failed(3))
        writing.settle(failed(4))
        writing.settle(row(4, attempt=2))
        log.run()
        clock.now = 60.0
        log.run()
        CallLog(workspace, told, clock).run()  # after a restart
    assert [each["request_id"] for each in lines()] == [call_id(number) for number in ids]


def test_a_line_says_who_what_and_how_much(workspace: Workspace, lines: Any) -> None:
    with Journal(workspace) as writing:
        writing.settle(row(1))
        writing.settle(refused(2))
        CallLog(workspace, "calls").run()
    call, refusal = lines()
    assert (call["level"], call["status"], call["cost_usd"]) == ("info", "ok", "0.000123456789")
    assert (call["input_tokens"], call["output_tokens"]) == (127, 57)
    assert (call["key"], call["team"], call["model"]) == ("k1", "search", "gpt-4o")
    assert (call["latency_ms"], call["cache"], call["attempts"]) == (900, "shadow", 1)
    assert (refusal["level"], refusal["code"]) == ("warning", "budget_exhausted")
