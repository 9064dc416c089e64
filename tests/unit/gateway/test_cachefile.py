"""cache.db stays within its bound, gives up what saves least, and forgets for good."""

import random
import sqlite3
import stat

import pytest

from farthing.gateway import cachefile
from farthing.gateway.cachefile import FILE, CacheFile, Foreign, Sealed
from farthing.gateway.purges import Purge
from tests.unit.gateway.kept import LATER, whose


@pytest.fixture
def file(tmp_path):
    opened = CacheFile.open(tmp_path)
    yield opened
    opened.close()


def sealed(number, size=2000, *, pico=10**9, until=LATER, of=None):
    place = number.to_bytes(16, "big")
    return Sealed(place, of or whose(), until, pico, random.Random(number).randbytes(size))


def place(number):
    return number.to_bytes(16, "big")


def test_what_was_written_is_there_and_again_after_a_new_start(tmp_path, file):
    assert file.write([sealed(1), sealed(2)]) == [place(1), place(2)]
    assert file.write([sealed(1, 30)]) == []
    file.close()
    again = CacheFile.open(tmp_path)
    assert again.read(place(1)) == sealed(1, 30).sealed
    assert again.read(place(2)) == sealed(2).sealed
    assert again.read(place(3)) is None
    assert sorted(again.places()) == [place(1), place(2)]
    again.close()


def test_only_its_owner_may_read_it(tmp_path, file):
    file.write([sealed(1)])
    for path in tmp_path.glob(f"{FILE}*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path):
    CacheFile.open(tmp_path).close()
    (tmp_path / FILE).chmod(0o644)
    CacheFile.open(tmp_path).close()
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_the_file_stays_within_its_bound(tmp_path, file):
    bound = 1 << 20
    draw = random.Random(5)
    for batch in range(30):
        numbers = range(batch * 30, batch * 30 + 30)
        file.write([sealed(n, draw.choice([20, 300, 5000, 90_000])) for n in numbers])
        file.fit(bound)
        assert file.used_bytes <= bound
    file.shrink()
    assert (tmp_path / FILE).stat().st_size <= bound
    assert len(list(file.places())) > 10


def test_who_went_is_told(file):
    file.write([sealed(number) for number in range(100)])
    gone = file.fit(100_000)
    there = set(file.places())
    assert gone
    assert there
    assert there.isdisjoint(gone)
    assert there | set(gone) == {place(number) for number in range(100)}


def test_a_dear_answer_and_a_popular_one_outlive_the_others(file):
    file.write([sealed(1, pico=10**12), sealed(2)])
    file.hit({place(2): 500, b"nobody": 3})
    for batch in range(20):
        file.write([sealed(number) for number in range(100 + batch * 20, 120 + batch * 20)])
        file.fit(150_000)
    assert file.read(place(1)) is not None
    assert file.read(place(2)) is not None


def test_what_was_valuable_once_goes_in_the_end(file):
    file.write([sealed(1, pico=10**10)])
    for batch in range(60):
        file.write([sealed(number) for number in range(100 + batch * 20, 120 + batch * 20)])
        file.fit(100_000)
    assert file.read(place(1)) is None


def test_a_worth_beyond_all_bounds_is_one_still(file):
    file.write([sealed(1, 10, pico=2**62)])
    file.hit({place(1): 2**40})
    assert file.fit(0) == [place(1)]


def test_what_has_expired_is_swept_with_whose_it_was(tmp_path, file):
    file.write([sealed(1, until=100, of=whose("gone")), sealed(2, until=300)])
    assert file.sweep(100) == [place(1)]
    assert list(file.places()) == [place(2)]
    assert b"gone" not in _bytes_of(tmp_path, file)


def test_a_purge_leaves_nothing_of_it_in_any_file(tmp_path, file):
    mine = [sealed(number, of=whose("mine", customer="north")) for number in range(40)]
    theirs = sealed(99, of=whose("theirs"))
    file.write([*mine, theirs])
    file.purge(Purge(customer="north"))
    left = _bytes_of(tmp_path, file)
    assert not any(each.sealed[:64] in left for each in mine)
    assert theirs.sealed[:64] in left
    assert list(file.places()) == [theirs.place]


def test_groups_are_read_beside_a_gateway_at_work(tmp_path, file):
    assert cachefile.groups(tmp_path / "nowhere") == []
    file.write([sealed(1), sealed(2), sealed(3, of=whose("other", None, "north", "m", "n"))])
    found = {group.whose: group for group in cachefile.groups(tmp_path)}
    assert found[whose()].entries == 2
    assert found[whose()].bytes > 4000
    assert found[whose("other", None, "north", "m", "n")].entries == 1


@pytest.mark.parametrize(
    "change", ["PRAGMA user_version = 99", "PRAGMA application_id = 7", "DROP TABLE entries"]
)
def test_another_version_is_no_use(tmp_path, change):
    CacheFile.open(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(sqlite3.Error) as raised:
        CacheFile.open(tmp_path).read(place(1))
    assert cachefile.is_useless(raised.value)
    assert isinstance(raised.value, Foreign) or "entries" in change


def test_a_lock_passes(tmp_path, file, monkeypatch):
    monkeypatch.setattr(cachefile, "PATIENCE_SECONDS", 0.05)
    other = CacheFile.open(tmp_path)
    holder = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as raised:
        other.write([sealed(1)])
    assert not cachefile.is_useless(raised.value)
    holder.execute("ROLLBACK")
    assert other.write([sealed(1)]) == [place(1)]
    holder.close()
    other.close()


def _bytes_of(folder, file):
    file.shrink()
    return b"".join(path.read_bytes() for path in folder.iterdir())
