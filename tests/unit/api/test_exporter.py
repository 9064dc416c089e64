"""Spans reach the collector at least once and are the same each time, whatever it does."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from farthing.access.secret import Secrets
from farthing.api import exporter
from farthing.api.collector import Collector, endpoint
from farthing.api.exporter import Exporter
from farthing.config import Settings, Telemetry
from farthing.domain.errors import FarthingError, Refused, Unavailable
from farthing.domain.money import Money
from farthing.ledger import tail
from farthing.ledger.journal import Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from tests.collectors import CLIENT, SERVER, Received, collector, said
from tests.unit.api.rows import PARENT, TRACE, call_id, failed, refused, row


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace.open(tmp_path / "ws")
    State.open(workspace.root).close()
    return workspace


@pytest.fixture
def received() -> Iterator[Received]:
    with collector() as received:
        yield received


def exporting(
    workspace: Workspace, url: str, clock: Clock | None = None, **settings: Any
) -> Exporter:
    told = Telemetry(otlp=url, timeout_seconds=5, **settings)
    folder = workspace.root.parent
    to = Collector(told, Secrets(folder, {"TOKEN": "Bearer planted"}), folder)
    return Exporter(workspace, Settings(telemetry=told), to, clock or Clock())


def test_what_is_journalled_comes_as_spans_once(workspace: Workspace, received: Received) -> None:
    with Journal(workspace) as writing:
        export = exporting(workspace, received.url)
        writing.intent(row(1), Money.of("1"))
        export.run()
        assert received.spans == []
        writing.settle(row(1))
        writing.settle(refused(2))
        export.run()
        export.run()
    assert len(received.spans) == len(received.by_id) == 3
    assert export.exported == 3
    assert [said(each)["farthing.request_id"] for each in received.of(CLIENT)] == [call_id(1)]
    assert len(received.of(SERVER)) == 2


def test_a_restart_goes_on_where_the_collector_acknowledged(
    workspace: Workspace, received: Received
) -> None:
    with Journal(workspace) as writing:
        writing.settle(row(1))
        exporting(workspace, received.url).run()
        writing.settle(row(2))
        received.answers = [503]
        with pytest.raises(Unavailable, match="answered 503"):
            exporting(workspace, received.url).run()
        writing.rotate()
        writing.settle(row(3))
        exporting(workspace, received.url).run()
    ids = [said(each)["farthing.request_id"] for each in received.spans if each.kind == CLIENT]
    assert ids == [call_id(1), call_id(2), call_id(3)]


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 429, 500, 502, 503, 504])
def test_a_collector_that_cannot_take_it_now_gets_it_later(
    workspace: Workspace, received: Received, status: int
) -> None:
    export = exporting(workspace, received.url)
    received.answers = [status] * 3
    with Journal(workspace) as writing:
        writing.settle(row(1))
        for _ in range(3):
            with pytest.raises(Unavailable, match=f"answered {status}"):
                export.run()
        assert export.behind > 0
        export.run()
    assert len(received.spans) == 2
    assert (export.exported, export.given_up, export.behind) == (2, 0, 0)


def test_a_collector_that_is_not_there_is_named_without_a_secret(workspace: Workspace) -> None:
    export = exporting(workspace, "http://127.0.0.1:1", headers={"authorization": "env:TOKEN"})
    with Journal(workspace) as writing:
        writing.settle(row(1))
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 cannot be reached") as caught:
            export.run()
    assert "planted" not in str(caught.value)


def test_a_document_that_is_refused_for_good_holds_up_no_other(
    workspace: Workspace, received: Received
) -> None:
    export = exporting(workspace, received.url)
    received.answers = [400]
    with Journal(workspace) as writing:
        writing.settle(row(1))
        export.run()
        writing.settle(row(2))
        export.run()
    assert (export.given_up, export.exported) == (2, 2)


def test_what_the_collector_rejects_of_it_is_counted_and_not_sent_again(
    workspace: Workspace, received: Received
) -> None:
    export = exporting(workspace, received.url)
    received.rejects = 1
    with Journal(workspace) as writing:
        writing.settle(row(1))
        export.run()
        export.run()
    assert (export.rejected, len(received.spans)) == (1, 2)


def test_a_failed_call_is_told_once_no_retry_can_follow(
    workspace: Workspace, received: Received
) -> None:
    clock = Clock()
    export = exporting(workspace, received.url, clock)
    with Journal(workspace) as writing:
        writing.settle(failed(1))
        writing.settle(failed(2))
        export.run()
        assert (len(received.of(CLIENT)), received.of(SERVER)) == (2, [])
        writing.intent(row(2, attempt=2), None)
        export.run()
        clock.now += 60
        export.run()
        (over,) = received.of(SERVER)
        assert said(over)["farthing.request_id"] == call_id(1)
        writing.settle(row(2, attempt=2))
        export.run()
    told = {said(each)["farthing.request_id"]: said(each) for each in received.of(SERVER)}
    assert told[call_id(2)]["farthing.call.attempts"] == 2
    assert told[call_id(2)]["farthing.call.status"] == "ok"
    assert told[call_id(1)]["error.type"] == "503"


def test_a_restart_while_a_failed_call_is_awaited_loses_nothing(
    workspace: Workspace, received: Received
) -> None:
    with Journal(workspace) as writing:
        writing.settle(failed(1))
        exporting(workspace, received.url).run()
        writing.settle(row(2))
        exporting(workspace, received.url).run()
        writing.settle(row(1, attempt=2))
        exporting(workspace, received.url).run()
    told = {said(each)["farthing.request_id"]: said(each) for each in received.of(SERVER)}
    assert told[call_id(1)]["farthing.call.attempts"] == 2
    assert len(received.spans) > len(received.by_id) == 5  # told again, with the same ids


@pytest.mark.parametrize(("sampling", "count"), [("parent", 2), ("all", 4)])
def test_a_caller_that_records_no_trace_gets_none_of_ours(
    workspace: Workspace, received: Received, sampling: str, count: int
) -> None:
    export = exporting(workspace, received.url, sampling=sampling)
    with Journal(workspace) as writing:
        writing.settle(row(1, trace_id=TRACE, parent_span=f"{PARENT}-00"))
        writing.settle(row(2, trace_id=TRACE, parent_span=f"{PARENT}-01"))
        export.run()
    assert len(received.spans) == count


def test_journal_beyond_a_bound_is_given_up_and_counted(
    workspace: Workspace, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "MOST_BEHIND", 2_000)
    monkeypatch.setattr(exporter, "LONG_AWAY", 0)
    export = exporting(workspace, received.url)
    received.answers = [503]
    with Journal(workspace) as writing:
        for number in range(20):
            writing.settle(row(number))
        with pytest.raises(Unavailable):
            export.run()
        assert tail.behind(workspace, _place(workspace)) <= 2_000
        export.run()
    told = {said(each)["farthing.request_id"] for each in received.of(CLIENT)}
    assert call_id(19) in told
    assert len(told) + export.given_up == 20


def test_secrets_in_headers_are_read_again_when_their_file_changes(
    workspace: Workspace, received: Received
) -> None:
    file = workspace.root.parent / "token"
    file.write_text("Bearer one")
    export = exporting(workspace, received.url, headers={"authorization": "file:token"})
    with Journal(workspace) as writing:
        writing.settle(row(1))
        export.run()
        file.write_text("Bearer another")
        writing.settle(row(2))
        export.run()
    assert [each["authorization"] for each in received.headers] == ["Bearer one", "Bearer another"]


def test_an_authority_of_ones_own_is_trusted_and_no_other(workspace: Workspace) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(workspace.root.parent / "ca.pem"))
    with collector(context) as received, Journal(workspace) as writing:
        writing.settle(row(1))
        with pytest.raises(Unavailable, match="certificate"):
            exporting(workspace, received.url).run()
        exporting(workspace, received.url, ca_file="ca.pem").run()
    assert len(received.spans) == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"headers": {"authorization": "env:NOT_SET"}}, "NOT_SET"),
        ({"ca_file": "nowhere.pem"}, "nowhere.pem"),
    ],
)
def test_what_is_referred_to_and_not_there_is_refused(
    workspace: Workspace, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        exporting(workspace, "https://127.0.0.1:1", **given)


@pytest.mark.parametrize(
    ("otlp", "url"),
    [
        ("http://c:4318", "http://c:4318/v1/traces"),
        ("http://c:4318/", "http://c:4318/v1/traces"),
        ("https://c/otlp", "https://c/otlp/v1/traces"),
        ("http://c:8788/v1/traces", "http://c:8788/v1/traces"),
    ],
)
def test_the_address_is_a_base_or_names_the_path(otlp: str, url: str) -> None:
    assert endpoint(otlp) == url


def test_half_lines_are_passed_over(workspace: Workspace, received: Received) -> None:
    with Journal(workspace) as writing:
        (folder,) = workspace.journal.iterdir()
        with (folder / "00000001.ndjson").open("ab") as file:
            file.write(b'{"line":"call","id":"tor\n')
        writing.settle(row(1))
        exporting(workspace, received.url).run()
    assert len(received.spans) == 2


def _place(workspace: Workspace) -> tail.Marks:
    state = State.open(workspace.root)
    try:
        found = tail.place(state, tail.HOLDING)
    except FarthingError:
        found = None
    finally:
        state.close()
    assert found is not None
    return found
