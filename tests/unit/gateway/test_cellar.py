"""Whatever is wrong with the file, calls go on; it is told once, and nothing wrong is served."""

import logging
import os
import sqlite3

import pytest

from farthing.domain.errors import Unavailable
from farthing.gateway import cachefile, cellar
from farthing.gateway.cachefile import ASIDE, FILE
from farthing.gateway.cellar import Cellar, purge_file
from farthing.gateway.purges import Purge
from tests.unit.gateway.kept import kept, whose

MB = 1 << 20
SECRET = b"s" * 32


@pytest.fixture
def opened(tmp_path):
    made = []

    def opened(max_bytes=MB, purges=()):
        one = Cellar(tmp_path)
        made.append(one)
        one.owe(list(purges))
        one.limit(max_bytes)
        return one

    yield opened
    for each in made:
        each.close()


def place(number):
    return number.to_bytes(16, "big")


def write(one, *numbers, **more):
    one.write({place(number): (SECRET, kept(**more)) for number in numbers}, {})


def has(one, number):
    present = one.present is not None and place(number) in one.present
    return present and one.read(place(number), SECRET) is not None


def test_answers_outlive_a_restart(opened):
    write(opened(), 1, 2)
    again = opened()
    assert has(again, 1)
    assert not has(again, 3)


@pytest.mark.parametrize("damage", ["garbage", "cut", "pages", "version", "foreign"])
def test_a_useless_file_is_set_aside_with_one_line(opened, tmp_path, caplog, damage):
    first = opened()
    write(first, *range(60), body=os.urandom(3000))
    first.close()
    _damage(tmp_path / FILE, damage)
    with caplog.at_level(logging.WARNING):
        second = opened()
        for number in range(60):
            second.read(place(number), SECRET)
            write(second, 100 + number)
    assert len(caplog.records) == 1
    assert "set aside" in caplog.text
    assert (tmp_path / ASIDE).exists()
    assert has(second, 150)
    assert not has(second, 7)


def _damage(path, how):
    if how == "garbage":
        path.write_bytes(os.urandom(9000))
    elif how == "cut":
        os.truncate(path, path.stat().st_size // 2 + 100)
    elif how == "pages":
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(4096 * 20))
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 2")
        if how == "foreign":
            connection.execute("PRAGMA application_id = 0")
            connection.execute("DROP TABLE answers")
        connection.close()


def test_a_file_that_somebody_locked_is_left_alone_with_one_line(
    opened, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(cachefile, "PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(cellar, "AGAIN_SECONDS", 0.0)
    one = opened()
    write(one, 1)
    holder = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.WARNING):
        for number in range(2, 6):
            write(one, number)
    assert len(caplog.records) == 1
    assert not (tmp_path / ASIDE).exists()
    holder.execute("ROLLBACK")
    holder.close()
    write(one, 7)
    assert [has(one, number) for number in (1, 2, 7)] == [True, False, True]


def test_a_damaged_answer_is_not_served_and_goes(opened, tmp_path):
    one = opened()
    write(one, 1, 2)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE answers SET sealed = (SELECT max(sealed) FROM answers)")
    connection.close()
    assert [has(one, 1), has(one, 2)].count(True) == 1
    assert len(list(one._file.places())) == 1


def test_no_room_means_no_file(opened, tmp_path):
    one = opened()
    write(one, 1)
    (tmp_path / ASIDE).touch()
    one.limit(0)
    write(one, 2)
    assert not list(tmp_path.iterdir())
    one.limit(MB)
    assert not has(one, 1)


def test_less_room_takes_effect_at_once(opened, tmp_path):
    one = opened(4 * MB)
    write(one, *range(300), body=os.urandom(9000))
    one.limit(MB)
    there = [number for number in range(300) if has(one, number)]
    assert 20 < len(there) < 120
    assert (tmp_path / FILE).stat().st_size <= MB


def test_a_purge_that_was_ordered_while_nobody_ran_is_carried_out_first(opened, tmp_path):
    write(opened(), 1, 2)
    (tmp_path / ASIDE).touch()
    again = opened(purges=[(5, Purge(tenant="search"))])
    assert not has(again, 1)
    assert not (tmp_path / ASIDE).exists()
    write(again, 3)
    assert has(opened(purges=[(5, Purge(tenant="search"))]), 3)


def test_a_purge_that_a_lock_held_up_comes_before_anything_is_read(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(cachefile, "PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(cellar, "AGAIN_SECONDS", 0.0)
    one = opened()
    write(one, 1)
    holder = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    one.owe([(5, Purge())])
    assert not has(one, 1)
    holder.execute("ROLLBACK")
    holder.close()
    assert one.read(place(1), SECRET) is None


def test_a_cache_that_followed_another_state_is_emptied(opened):
    one = opened(purges=[(9, Purge())])
    write(one, 1)
    assert has(opened(purges=[(9, Purge())]), 1)
    assert not has(opened(purges=[(3, Purge(team="nobody"))]), 1)


def test_only_what_a_purge_covers_goes(opened):
    one = opened()
    one.write(
        {
            place(1): (SECRET, kept(of=whose("a", customer="north"))),
            place(2): (SECRET, kept(of=whose("a", customer="south"))),
        },
        {},
    )
    one.owe([(1, Purge(customer="north"))])
    assert [has(one, 1), has(one, 2)] == [False, True]


def test_without_a_gateway_a_purge_is_carried_out_in_the_file(opened, tmp_path):
    write(opened(), 1)
    (tmp_path / ASIDE).touch()
    purge_file(tmp_path, Purge(team="nobody"))
    assert has(opened(), 1)
    purge_file(tmp_path, Purge())
    assert not has(opened(), 1)
    assert not (tmp_path / ASIDE).exists()


def test_without_a_gateway_a_file_that_cannot_be_read_goes_whole(tmp_path, monkeypatch):
    (tmp_path / FILE).write_bytes(os.urandom(5000))
    purge_file(tmp_path, Purge(team="nobody"))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(cachefile, "PATIENCE_SECONDS", 0.02)
    Cellar(tmp_path).limit(MB)
    holder = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="The purge is noted"):
        purge_file(tmp_path, Purge())
    holder.close()
