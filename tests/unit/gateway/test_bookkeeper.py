"""What cannot be written is kept, in order, and a storm of refusals takes no room from it."""

from datetime import UTC, datetime

import pytest

from farthing.domain.call import Call
from farthing.domain.errors import Unavailable
from farthing.gateway.bookkeeper import MOST_REFUSALS, Bookkeeper

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Lines:
    """A journal on a disk that is full or is not."""

    def __init__(self):
        self.full, self.written = False, []

    def intent(self, call, hold):
        self.settle(call)

    def settle(self, call):
        if self.full:
            raise Unavailable("full")
        self.written.append(call.id)


def call(number, status="ok"):
    return Call(id=f"{number:032x}", time=NOW, source="gateway", status=status)


def test_what_was_kept_is_written_once_and_in_order_when_there_is_room():
    lines = Lines()
    books = Bookkeeper(lines)
    lines.full = True
    for number in range(5):
        books.settle(call(number))
    with pytest.raises(Unavailable):
        books.intent(call(9), None)
    assert (books.waiting, books.trouble) == (5, "the journal cannot be written")
    lines.full = False
    books.catch_up()
    books.settle(call(5))
    assert lines.written == [call(number).id for number in range(6)]
    assert (books.waiting, books.trouble) == (0, None)


def test_refusals_without_end_leave_room_for_what_was_spent():
    lines = Lines()
    books = Bookkeeper(lines)
    lines.full = True
    for number in range(MOST_REFUSALS + 10):
        books.settle(call(number, "refused"))
    assert books.waiting == MOST_REFUSALS
    books.settle(call(0))
    assert books.waiting == MOST_REFUSALS + 1
    assert not books.full
