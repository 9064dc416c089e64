"""Who owes a head has ten seconds for it, and two where many wait."""

from farthing.gateway.patience import HEAD_SECONDS, HURRIED_SECONDS, IDLE_SECONDS, Patience


class Connection:
    def __init__(self, head, seconds=HEAD_SECONDS):
        self.head, self.seconds, self.was_cut = head, seconds, False

    def owes(self):
        return self.head and (self.head, self.seconds)

    def cut(self):
        self.was_cut = True


def test_only_who_owes_the_same_head_all_the_time_is_cut_off():
    slow, busy, next_ = Connection("a"), Connection(None), Connection("b")
    patience = Patience([slow, busy, next_], many=100)
    patience.look(0)
    next_.head = "c"
    patience.look(5)
    patience.look(HEAD_SECONDS)
    assert [each.was_cut for each in (slow, busy, next_)] == [True, False, False]
    patience.look(5 + HEAD_SECONDS)
    assert next_.was_cut


def test_who_paid_in_between_starts_anew():
    connection = Connection("a")
    patience = Patience([connection], many=100)
    patience.look(0)
    connection.head = None
    patience.look(9)
    connection.head = "a"
    patience.look(HEAD_SECONDS + 1)
    assert not connection.was_cut


def test_who_is_idle_between_calls_has_longer():
    idle = Connection("a", IDLE_SECONDS)
    patience = Patience([idle], many=100)
    patience.look(0)
    patience.look(IDLE_SECONDS - 1)
    assert not idle.was_cut
    patience.look(IDLE_SECONDS)
    assert idle.was_cut


def test_where_many_are_open_there_is_less_patience():
    waiting = [Connection(str(number)) for number in range(3)]
    patience = Patience(waiting, many=3)
    patience.look(0)
    patience.look(HURRIED_SECONDS)
    assert all(each.was_cut for each in waiting)
