"""Lists of names are remembered, but callers make them: neither their number nor size grows."""

from farthing.gateway.headers import Lists, Names


def test_a_list_that_comes_again_is_not_worked_out_again():
    lists = Lists(Names)
    headers = [(b"host", b"x"), (b"x-farthing-team", b"t"), (b"host", b"y")]
    names = lists.of(headers)
    assert lists.of([(name, b"other") for name, _ in headers]) is names
    assert (names.first[b"host"], names.labels) == (0, (1,))


def test_a_list_of_very_many_short_names_is_not_remembered():
    lists = Lists(Names)
    headers = [(b"a", b"")] * 4000
    assert lists.of(headers) is not lists.of(headers)
