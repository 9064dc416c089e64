"""No version is lost or edited, and going back restores every byte."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.errors import Refused
from farthing.ledger.audit import By
from farthing.ledger.state import State
from farthing.policy import versions

ME = By("cli:ada", datetime(2026, 11, 25, tzinfo=UTC))
FIRST = '# ours ä\r\n[cache]\r\nmode = "shadow"   # \t'
SECOND = '[cache]\nmode = "off"\n'


@pytest.fixture
def state():
    state = State.of_nothing()
    yield state
    state.close()


@pytest.fixture
def put(state):
    def put(text, why="because"):
        with state.changing() as change:
            return versions.put(change, text, ME, why)

    return put


def back(state, version=None, why=""):
    with state.changing() as change:
        return versions.rollback(change, state, version, ME, why)


def test_before_anything_is_set_the_defaults_hold(state):
    assert versions.current(state) == versions.DEFAULTS


def test_a_version_knows_who_when_and_why(state, put):
    assert put(FIRST, " cheaper ") == 1
    now = versions.current(state)
    assert now == versions.Version(1, FIRST, "cli:ada", "cheaper", "2026-11-25T00:00:00Z")


@given(st.lists(st.sampled_from([FIRST, SECOND, ""]), min_size=1, max_size=6), st.data())
def test_going_back_restores_every_byte_as_a_new_version(texts, data):
    state = State.of_nothing()
    for text in texts:
        with state.changing() as change:
            versions.put(change, text, ME, "because")
    target = data.draw(st.integers(0, len(texts) - 1))
    assert back(state, target) == len(texts) + 1
    assert versions.current(state).text.encode() == ["", *texts][target].encode()
    assert [each.text for each in versions.listed(state)[1:]] == ["", *texts][::-1]
    state.close()


def test_going_back_twice_goes_forth_again(state, put):
    put(FIRST)
    put(SECOND)
    back(state)
    back(state)
    assert versions.current(state).text == SECOND


@pytest.mark.parametrize("version", [2, 7, -1])
def test_there_is_no_way_to_where_nothing_is(state, put, version):
    put(FIRST)
    put(SECOND)
    with pytest.raises(Refused, match=r"in force already|no version"):
        back(state, version)
    assert versions.current(state).version == 2


@pytest.mark.parametrize(
    ("text", "why", "says"),
    [
        ("= broken", "x", "TOML"),
        (SECOND, " ", "--why"),
        (SECOND, "x" * 1001, "--why"),
        ("#" * (versions.LONGEST + 1), "x", "too long"),
    ],
)
def test_what_is_refused_leaves_the_policy_alone(state, put, text, why, says):
    with pytest.raises(Refused, match=says):
        put(text, why)
    assert versions.current(state) == versions.DEFAULTS


def test_a_diff_shows_what_changed_and_nothing_where_nothing_did():
    one = versions.Version(1, "[cache]\nmode = 'on'", "", "", None)
    two = versions.Version(2, "[cache]\nmode = 'off'", "", "", None)
    assert versions.diff(one, two) == (
        "--- version 1\n+++ version 2\n@@ -1,2 +1,2 @@\n [cache]\n-mode = 'on'\n+mode = 'off'\n"
    )
    assert versions.diff(one, one) == ""
