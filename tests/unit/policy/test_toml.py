"""What is written as TOML is read as it was."""

import tomllib
from datetime import date, datetime, time

from hypothesis import given
from hypothesis import strategies as st

from farthing.policy.toml import to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = (
    TEXT
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.dates(date(1000, 1, 1))
    | st.times()
    | st.datetimes(datetime(1000, 1, 1))
)
VALUE = st.recursive(
    PLAIN, lambda of: st.lists(of, max_size=3) | st.dictionaries(TEXT, of, max_size=3)
)


@given(st.dictionaries(TEXT, VALUE, max_size=4))
def test_any_table_comes_back_equal(table):
    assert tomllib.loads(to_toml(table)) == table


def test_a_policy_reads_as_people_write_it():
    table = {
        "cache": {"mode": "on", "ttl": "1h"},
        "route": [{"from": "a", "share": 0.1}, {"to": "b"}],
    }
    assert to_toml({**table, "at": time(22)}) == (
        'at = 22:00:00\n[cache]\nmode = "on"\nttl = "1h"\n'
        '[[route]]\nfrom = "a"\nshare = 0.1\n[[route]]\nto = "b"\n'
    )
