"""Ids of calls are UUIDs that sort by time."""

import uuid

from farthing.gateway.ids import Ids


def test_ids_are_version_7_and_differ():
    ids = Ids()
    made = [ids.new(1_795_000_000.123) for _ in range(2000)]
    assert len(set(made)) == len(made)
    read = uuid.UUID(made[0])
    assert (read.version, read.variant) == (7, uuid.RFC_4122)
    assert int(made[0][:12], 16) == 1_795_000_000_123


def test_later_ids_sort_after_earlier_ones():
    ids = Ids()
    made = [ids.new(1_795_000_000 + second) for second in range(50)]
    assert made == sorted(made)
