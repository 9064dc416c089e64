"""Only the call that an answer was made for opens it, and only whole."""

from hypothesis import given
from hypothesis import strategies as st

from farthing.gateway.sealing import opened, seal
from tests.unit.gateway.kept import kept, whose

SECRET, PLACE = b"s" * 32, b"p" * 16
bodies = st.lists(st.binary(max_size=50), max_size=5).map(tuple)
owners = st.builds(
    whose, st.text(max_size=9), st.none() | st.text(max_size=9), st.none() | st.text(max_size=9)
)


@given(bodies, st.sampled_from(["0", "0.000000000001", "12.50", None]), owners)
def test_what_is_sealed_opens_as_it_was(chunks, usd, of):
    answer = kept(chunks, usd=usd, of=of, until=1234.5)
    assert opened(SECRET, PLACE, seal(SECRET, PLACE, answer)) == answer


@given(st.integers(0), st.integers(0, 7))
def test_no_changed_bit_is_served(at, bit):
    sealed = bytearray(seal(SECRET, PLACE, kept()))
    sealed[at % len(sealed)] ^= 1 << bit
    assert opened(SECRET, PLACE, bytes(sealed)) is None


@given(st.integers(0))
def test_nothing_torn_is_served(at):
    sealed = seal(SECRET, PLACE, kept())
    assert opened(SECRET, PLACE, sealed[: at % len(sealed)]) is None


def test_neither_another_call_nor_another_place_opens_it():
    sealed = seal(SECRET, PLACE, kept())
    assert opened(b"t" * 32, PLACE, sealed) is None
    assert opened(SECRET, b"q" * 16, sealed) is None
    assert b"answer" not in sealed
