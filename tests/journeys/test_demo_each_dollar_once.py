"""The demo month, told in several ways: the total is the same each time, each dollar once."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from farthing.config import Settings
from farthing.demo import as_gateway, settings
from farthing.demo.bill import unseen
from farthing.demo.build import build_workspace, write_sources
from farthing.demo.world import Plan, build
from farthing.domain.money import Money
from farthing.ledger import engine
from farthing.ledger.compact import compact
from farthing.ledger.intake import Rim, import_files
from farthing.ledger.journal import Journal
from farthing.ledger.workspace import Workspace
from farthing.prices.book import Book
from farthing.registry import IMPORTERS, plugins
from farthing.views.report import Request, report

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PLAN = Plan(calls=1_500, unseen=False)
PAGES = ("openai", "anthropic", "google")
WAYS = {
    "gateway rows": ("gateway",),
    "trace spans": ("spans",),
    "usage and invoice pages": PAGES,
    "response bodies and a call log": ("logs",),
    "all together": ("gateway", "spans", *PAGES, "logs"),
    "all together, bills first": (*PAGES, "spans"),
}


@pytest.fixture(scope="module")
def rim():
    return Rim(plugins(IMPORTERS), lambda: NOW)


@pytest.fixture(scope="module")
def world():
    return build(PLAN)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return Book.load(tmp_path_factory.mktemp("no-configuration"))


@pytest.fixture(scope="module")
def sources(world, book, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "sources"
    write_sources(folder, world, book)
    return folder


@pytest.fixture(scope="module")
def spent(world, book):
    calls = Money.sum(call.effective_usd for call in as_gateway.calls(world, book))
    return calls + Money.sum(line.cost for line in world.cloud)


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.open(tmp_path / "ledger")
    (workspace.root / "farthing.toml").write_text(settings.text())
    return workspace


def take_in(workspace, rim, *names):
    return import_files(workspace, Settings.load(workspace.root), rim, names)


def reported(workspace, *by):
    asked = Request(by or ("team", "model"), ZoneInfo("UTC"), NOW)
    with engine.connect(workspace) as connection:
        return report(connection, asked, Settings.load(workspace.root))


def tell(way, workspace, rim, sources, world, book):
    if way == "gateway":
        with Journal(workspace) as journal:
            for call in as_gateway.calls(world, book):
                journal.settle(call)
        return
    done = take_in(workspace, rim, str(sources / way))
    assert (done.quarantined, done.unpriced, done.refused) == (0, 0, [])


@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
def test_the_total_is_the_same_whoever_tells_it(ways, workspace, rim, sources, world, book, spent):
    for way in (*ways, "aws"):
        tell(way, workspace, rim, sources, world, book)
    found = reported(workspace)
    assert found.total.sums.cost == spent
    assert found.unseen == Money.ZERO
    assert Money.sum(group.sums.cost for group in found.groups) == spent


def test_compacting_the_gateways_rows_changes_nothing(workspace, rim, sources, world, book, spent):
    for way in ("gateway", "aws"):
        tell(way, workspace, rim, sources, world, book)
    compact(workspace)
    tell("spans", workspace, rim, sources, world, book)
    assert reported(workspace).total.sums.cost == spent


@pytest.fixture(scope="module")
def demo(rim, tmp_path_factory):
    root = tmp_path_factory.mktemp("workspace") / ".farthing"
    plan = Plan(calls=1_500)
    return root, plan, build_workspace(root, plan, rim)


def test_the_demo_counts_every_call_and_line_once(demo, spent):
    root, _, built = demo
    assert built.imported.quarantined == built.imported.unpriced == 0
    assert reported(Workspace.open(root)).total.sums.cost == spent


def test_the_demo_shows_what_was_billed_but_not_seen(demo, book):
    root, plan, built = demo
    assert built.unseen == unseen(build(plan), book) > Money.ZERO
    assert reported(Workspace.open(root)).unseen == built.unseen


def test_building_the_demo_twice_adds_nothing(demo, rim):
    root, plan, first = demo
    before = reported(Workspace.open(root)).total
    again = build_workspace(root, plan, rim)
    assert first.imported.added > 0
    assert again.imported.added == 0
    assert again.imported.rows == first.imported.rows
    assert reported(Workspace.open(root)).total == before


def test_the_applications_own_logs_add_nothing_to_the_demo(demo, rim):
    root, _, built = demo
    done = take_in(Workspace.open(root), rim, str(built.sources / "logs"))
    assert done.rows > 0
    assert done.added == 0


def test_the_loop_is_the_dearest_session_by_far(demo):
    root, _, built = demo
    first, second = reported(Workspace.open(root), "session_id").groups[:2]
    if first.key == (None,):  # bills have no session
        first, second = reported(Workspace.open(root), "session_id").groups[1:3]
    assert first.key == (built.loop_session,)
    assert first.sums.cost > second.sums.cost * 5


def test_all_six_teams_and_the_unallocated_are_in_the_report(demo):
    root, _, _ = demo
    found = reported(Workspace.open(root), "team")
    assert len({group.key for group in found.groups}) == 7
    assert found.unallocated > Money.ZERO
