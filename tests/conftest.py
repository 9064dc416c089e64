"""What every test may ask for, when one is skipped, and how long each room may take."""

from __future__ import annotations

import os
import shutil
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

HOME = Path(__file__).parent.parent
STRICT = os.environ.get("FARTHING_TEST_STRICT") == "1"
MAY_SKIP = {"gpu", "online"}  # even under strictness: no machine that tests us has to have them
GRACE = 3  # a room fails CI when it takes this many times its budget; machines differ

# A slow machine makes no test wrong.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of public test data; a test that reads it is marked `corpus`."""
    folder = Path(os.environ.get("FARTHING_CORPUS") or HOME / ".." / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"there is no test data at {folder}; point FARTHING_CORPUS at it")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of golden cases."""
    return HOME / "tests" / "golden"


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        (program,) = marker.args
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed; ./dev test as root installs it")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    expected = hasattr(report, "wasxfail") or MAY_SKIP & {mark.name for mark in item.iter_markers()}
    if STRICT and report.skipped and not expected:
        report.outcome = "failed"
        report.longrepr = f"{_reason(report)} (FARTHING_TEST_STRICT=1: a skip is a failure)"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    if STRICT and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{_reason(report)} (FARTHING_TEST_STRICT=1: a skip is a failure)"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


class Budgets:
    """Adds up how long each room's tests took and holds that against `budgets.toml`."""

    def __init__(self) -> None:
        self.allowed: dict[str, float] = tomllib.loads(
            (HOME / "tests" / "budgets.toml").read_text()
        )["seconds"]
        self.taken: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.taken[room_of(report.nodeid)] += report.duration

    @property
    def spent(self) -> list[str]:
        return [
            room
            for room, seconds in self.taken.items()
            if seconds > GRACE * self.allowed.get(room, 0)
        ]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if STRICT and self.spent and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("seconds by room (budgets: tests/budgets.toml)")
        for room in sorted(self.taken):
            allowed = self.allowed.get(room)
            note = "no budget" if allowed is None else f"of {allowed:g}"
            over = f"  OVER {GRACE} TIMES ITS BUDGET" if room in self.spent else ""
            terminalreporter.line(f"{self.taken[room]:8.1f} {note:>10}  {room}{over}")


def room_of(nodeid: str) -> str:
    """`tests/unit/ledger/test_x.py::test_y` belongs to `unit/ledger`, others to their folder."""
    folders = Path(nodeid.partition("::")[0]).parts[1:-1]
    return "/".join(folders[:2]) if folders[:1] == ("unit",) else folders[0]


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the process that sees all reports
        config.pluginmanager.register(Budgets())
