"""What cannot be written is kept, in order, and a storm of refusals takes no room from it."""

import pytest

from farthing.domain.errors import Unavailable
from farthing.gateway.bookkeeper import MOST_REFUSALS, Bookkeeper


class Lines:
    """A journal on a disk that is full or is not."""

    def __init__(self):
        self.full, self.written = False, []

    def intend(self, attempt, line):
        self.book(attempt, line)

    def book(self, attempt, line):
        if self.full:
            raise Unavailable("full")
        self.written.append((attempt, line))


def settled(number):
    return (f"{number:032x}", 1), b"%d\n" % number


def test_what_was_kept_is_written_once_and_in_order_when_there_is_room():
    lines = Lines()
    books = Bookkeeper(lines)
    lines.full = True
    for number in range(5):
        books.book(*settled(number))
    with pytest.raises(Unavailable):
        books.intend(*settled(9))
    assert (books.waiting, books.trouble) == (5, "the journal cannot be written")
    lines.full = False
    books.catch_up()
    books.book(*settled(5))
    assert lines.written == [settled(number) for number in range(6)]
    assert (books.waiting, books.trouble) == (0, None)


def test_refusals_without_end_leave_room_for_what_was_spent():
    lines = Lines()
    books = Bookkeeper(lines)
    lines.full = True
    for number in range(MOST_REFUSALS + 10):
        books.book(*settled(number), refused=True)
    assert books.waiting == MOST_REFUSALS
    books.book(*settled(0))
    assert books.waiting == MOST_REFUSALS + 1
    assert not books.full
