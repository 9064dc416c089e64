"""Idempotency keys replay for a minute, within a bound of bytes."""

from farthing.gateway.purges import Purge
from farthing.gateway.replays import Replay, Replays
from tests.unit.gateway.kept import kept, whose


def place(number, tenant="search"):
    return tenant, "openai_chat", f"key-{number}"


def test_the_oldest_goes_when_there_is_no_more_room():
    replays = Replays(max_bytes=1 << 20)
    for number in range(1000):
        replays.put(place(number), Replay(b"", kept(b"x" * 10_000)), now=0)
    assert replays.used_bytes <= 1 << 20
    assert replays.get(place(999), 0) is not None
    assert replays.get(place(0), 0) is None


def test_what_has_expired_is_neither_served_nor_kept():
    replays = Replays()
    replays.put(place(1), Replay(b"", kept(until=60)), now=0)
    assert replays.get(place(1), 59) is not None
    assert replays.get(place(1), 60) is None
    replays.put(place(2), Replay(b"", kept(b"", until=121)), now=61)
    assert replays.used_bytes == kept(b"").size


def test_one_key_takes_its_room_once():
    replays = Replays()
    for _ in range(5):
        replays.put(place(1), Replay(b"", kept()), now=0)
    assert replays.used_bytes == kept().size


def test_a_purge_reaches_them():
    replays = Replays()
    replays.put(place(1, "mine"), Replay(b"", kept(of=whose("mine"))), now=0)
    replays.put(place(1, "theirs"), Replay(b"", kept(of=whose("theirs"))), now=0)
    replays.forget(Purge(tenant="mine"))
    assert replays.get(place(1, "mine"), 0) is None
    assert replays.get(place(1, "theirs"), 0) is not None
    assert replays.used_bytes == kept(of=whose("theirs")).size
