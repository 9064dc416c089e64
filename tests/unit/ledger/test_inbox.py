"""What was acknowledged is imported, whatever stands beside it and whoever dies."""

from __future__ import annotations

from pathlib import Path

import pytest

from farthing.domain.errors import Unavailable
from farthing.ledger.inbox import Inbox, InboxFull
from farthing.ledger.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


class Imports:
    """Takes lines in; those with `bad` in them stop it, or cannot be read."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.seen: list[bytes] = []
        self._failure = failure

    def __call__(self, batch: Path) -> bool:
        lines = batch.read_bytes().splitlines()
        if b"bad" in lines:
            if self._failure:
                raise self._failure
            return False
        self.seen += lines
        return True


def test_documents_are_imported_together_and_in_order(workspace: Workspace) -> None:
    inbox, imports = Inbox(workspace), Imports()
    for number in range(5):
        inbox.put(b"%d\n" % number)
    assert inbox.size == 10
    assert inbox.take_in(imports) == 5
    assert imports.seen == [b"0", b"1", b"2", b"3", b"4"]
    assert (inbox.waiting(), inbox.size) == ([], 0)


@pytest.mark.parametrize("failure", [None, ValueError("a defect")])
def test_one_that_cannot_be_taken_is_kept_aside_and_the_others_go_on(
    workspace: Workspace, failure: Exception | None
) -> None:
    inbox, imports = Inbox(workspace), Imports(failure)
    for line in (b"1\n", b"bad\n", b"2\n"):
        inbox.put(line)
    inbox.take_in(imports)
    assert imports.seen == [b"1", b"2"]
    assert (inbox.waiting(), inbox.size) == ([], 0)
    [kept] = workspace.quarantine.iterdir()
    assert kept.read_bytes() == b"bad\n"


def test_where_the_world_is_at_fault_everything_stays(workspace: Workspace) -> None:
    inbox = Inbox(workspace)
    inbox.put(b"bad\n")
    with pytest.raises(Unavailable):
        inbox.take_in(Imports(Unavailable("in use")))
    assert len(inbox.waiting()) == 1


def test_a_restart_finds_what_waited_and_forgets_what_was_never_acknowledged(
    workspace: Workspace,
) -> None:
    Inbox(workspace).put(b"1\n")
    (workspace.root / "inbox" / ".0-x.jsonl.part").write_bytes(b"half a docu")
    again, imports = Inbox(workspace), Imports()
    assert again.size == 2
    again.take_in(imports)
    assert imports.seen == [b"1"]
    assert list(again.folder.iterdir()) == []


def test_a_full_one_takes_no_more_until_there_is_room(workspace: Workspace) -> None:
    inbox = Inbox(workspace, most_bytes=4)
    inbox.put(b"123\n")
    with pytest.raises(InboxFull):
        inbox.put(b"4\n")
    inbox.take_in(Imports())
    inbox.put(b"4\n")
