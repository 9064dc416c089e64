"""The admin token is told once, and only it opens."""

from datetime import UTC, datetime

import pytest

from farthing.access.admin import admin_digest, ensure_admin_token, is_admin, reset_admin_token
from farthing.ledger.audit import By
from farthing.ledger.state import State

ME = By("cli:ada", datetime(2026, 11, 25, tzinfo=UTC))


@pytest.fixture
def state(tmp_path):
    state = State.open(tmp_path)
    yield state
    state.close()


def test_the_first_start_alone_is_told(state):
    token = ensure_admin_token(state, ME)
    assert is_admin(admin_digest(state), token)
    assert ensure_admin_token(state, ME) is None


def test_a_reset_ends_the_old_one(state):
    old = ensure_admin_token(state, ME)
    new = reset_admin_token(state, ME)
    assert is_admin(admin_digest(state), new)
    assert not is_admin(admin_digest(state), old)


def test_without_a_token_nothing_opens(state):
    assert admin_digest(state) is None
    assert not is_admin(None, "")
    assert not is_admin(None, "fa_")


def test_it_is_nowhere_on_the_disk(state, tmp_path):
    token = ensure_admin_token(state, ME)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert token.removeprefix("fa_").encode() not in written
