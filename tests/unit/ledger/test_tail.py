"""A follower of the journal gets every line once, in order, whatever happens in between."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.domain.money import Money
from farthing.ledger import journal, tail, watermarks
from farthing.ledger.compact import compact
from farthing.ledger.journal import Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from tests.unit.ledger.calls import call, name

ALL = 1 << 30


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


def settled(lines: list[tail.Line]) -> list[str]:
    return [
        journal.decode_call(line.text).id
        for line in lines
        if line.text.startswith(b'{"line":"call"')
    ]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["write", "rotate", "read", "again"]), max_size=60), st.data())
def test_every_line_comes_once_and_in_order(steps: list[str], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(folder)
        written: list[str] = []
        came: list[str] = []
        marks: tail.Marks = {}
        writing = Journal(workspace)
        for step in [*steps, "read"]:
            if step == "write":
                written.append(name(len(written)))
                writing.settle(call(len(written) - 1))
            elif step == "rotate":
                writing.rotate()
            elif step == "again":
                writing.close()
                writing = Journal(workspace)
            else:
                most = data.draw(st.sampled_from([1, 200, ALL]))
                lines, marks = tail.read(workspace, marks, most)
                came += settled(lines)
        writing.close()
        while True:
            lines, marks = tail.read(workspace, marks, 100)
            if not lines:
                break
            came += settled(lines)
        assert came == written
        assert tail.behind(workspace, marks) == 0


def test_half_a_line_is_left_until_it_is_whole(workspace: Workspace) -> None:
    with Journal(workspace) as writing:
        writing.settle(call(1))
        (segment,) = journal.segments(workspace)
        whole = segment.path.read_bytes()
        with segment.path.open("ab") as file:
            file.write(whole[:20])
        lines, marks = tail.read(workspace, {}, ALL)
        assert settled(lines) == [name(1)]
        with segment.path.open("ab") as file:
            file.write(whole[20:])
        assert settled(tail.read(workspace, marks, ALL)[0]) == [name(1)]


def test_what_a_dead_process_left_open_comes_once_it_is_adopted(workspace: Workspace) -> None:
    writing = Journal(workspace)
    writing.intent(call(7), Money.of("0.5"))
    lines, marks = tail.read(workspace, {}, ALL)
    assert settled(lines) == []
    writing.close()
    assert journal.adopt(workspace).recovered == 1
    assert settled(tail.read(workspace, marks, ALL)[0]) == [name(7)]


def test_a_place_is_kept_and_holds_what_was_not_read(workspace: Workspace) -> None:
    state = State.open(workspace.root)
    with Journal(workspace) as writing:
        for number in range(3):
            writing.settle(call(number))
            writing.rotate()
        with state.changing() as change:
            change.execute("INSERT INTO watermarks VALUES (?, 4, 0)", (writing.set,))
        tail.keep_place(state, tail.HOLDING, {})
        compact(workspace, keep_from=watermarks.uncounted_from(workspace.root))
        assert len(journal.segments(workspace)) == 4
        tail.keep_place(state, tail.HOLDING, {writing.set: (3, 0)})
        assert tail.place(state, tail.HOLDING) == {writing.set: (3, 0)}
        compact(workspace, keep_from=watermarks.uncounted_from(workspace.root))
        assert [each.seq for each in journal.segments(workspace)] == [3, 4]
        tail.leave(state, tail.HOLDING)
        compact(workspace, keep_from=watermarks.uncounted_from(workspace.root))
        assert [each.seq for each in journal.segments(workspace)] == [4]
    state.close()


def test_a_segment_that_is_gone_is_passed_over(workspace: Workspace) -> None:
    with Journal(workspace) as writing:
        for number in range(3):
            writing.settle(call(number))
            writing.rotate()
        _, marks = tail.read(workspace, {}, 1)
        journal.segments(workspace)[1].path.unlink()
        assert settled(tail.read(workspace, marks, ALL)[0]) == [name(2)]
