"""A key opens what it should, for as long as it should, and its secret is nowhere."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.access import store
from farthing.access.keyring import Keyring
from farthing.access.keys import (
    ExpiredKey,
    InvalidKey,
    Key,
    Rates,
    RevokedKey,
    new_id,
    new_secret,
    tenant_of,
    token_of,
)
from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.ledger.audit import By, newest
from farthing.ledger.state import State

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ME = By("cli:ada", NOW)


def key(**more):
    return Key(
        **{"id": new_id(), "tenant": "search", "scope": {"team": "search"}, **more},
        **({} if "created_at" in more else {"created_at": NOW}),
    )


@pytest.fixture
def state(tmp_path):
    state = State.open(tmp_path)
    yield state
    state.close()


@pytest.fixture
def add(state):
    def add(made):
        with state.changing() as change:
            return store.add(change, made, "cli", ME)

    return add


def identify(state, token, after=timedelta()):
    return Keyring.load(state).identify(token, (NOW + after).timestamp())


def test_a_token_finds_its_key_with_all_that_was_said_of_it(state, add):
    made = key(
        scope={"team": "search", "customer": "acme"},
        tags={"app": "chat"},
        models=("gpt-4o*",),
        rates=Rates(requests_per_minute=600, usd_per_minute=Money.of("2.50")),
        expires_at=NOW + HOUR,
    )
    token = add(made)
    assert identify(state, token) == made
    assert made.facts() == {
        "team": "search",
        "customer": "acme",
        "app": "chat",
        "tenant": "search",
        "key": made.id,
    }


def test_a_key_asks_only_the_models_it_may():
    assert key(models=("gpt-4o*", "o3")).allows("gpt-4o-mini")
    assert not key(models=("gpt-4o*", "o3")).allows("o3-pro")
    assert key().allows("anything")


@pytest.mark.parametrize(
    "changed",
    [
        lambda token: token[:-1],
        lambda token: token + "x",
        lambda token: token.upper(),
        lambda token: token.removeprefix("fk_"),
        lambda token: "sk_" + token,
        lambda token: token.replace("fk_", "fk_x"),
        lambda token: token[:16],
        lambda _: "",
        lambda _: "fk__",
        lambda _: "fk_\udcff_\udcff",
    ],
)
def test_what_is_nearly_a_token_is_none(state, add, changed):
    with pytest.raises(InvalidKey) as refused:
        identify(state, changed(add(key())))
    assert (refused.value.code, refused.value.status) == ("invalid_key", 401)


@given(st.text())
def test_no_text_makes_the_keyring_stumble(text):
    with pytest.raises(InvalidKey):
        Keyring({}).identify(text, 0.0)


def test_a_key_ends_when_it_expires_and_not_before(state, add):
    token = add(key(expires_at=NOW + HOUR))
    assert identify(state, token, HOUR - timedelta(seconds=1))
    with pytest.raises(ExpiredKey, match="has expired"):
        identify(state, token, HOUR)


def test_who_lacks_the_secret_does_not_learn_that_a_key_is_revoked(state, add):
    made = key()
    token = add(made)
    with state.changing() as change:
        store.revoke(change, made.id, ME)
    with pytest.raises(RevokedKey):
        identify(state, token)
    with pytest.raises(InvalidKey):
        identify(state, token_of(made.id, new_secret()))


def test_a_rotated_key_keeps_its_id_and_for_a_while_its_old_secret(state, add):
    made = key()
    old = add(made)
    with state.changing() as change:
        new, ends = store.rotate(change, made.id, HOUR, ME)
    assert ends == NOW + HOUR
    assert identify(state, old) == identify(state, new) == made
    assert identify(state, new, 100 * HOUR)
    with pytest.raises(ExpiredKey, match="old secret"):
        identify(state, old, HOUR)


def test_a_second_rotation_does_not_make_the_first_secret_live_longer(state, add):
    made = key()
    first = add(made)
    with state.changing() as change:
        second, _ = store.rotate(change, made.id, HOUR, ME)
        store.rotate(change, made.id, 50 * HOUR, ME)
    with pytest.raises(ExpiredKey):
        identify(state, first, HOUR)
    assert identify(state, second, 49 * HOUR)


def test_an_old_secret_ends_with_its_key_at_the_latest(state, add):
    made = key(expires_at=NOW + HOUR)
    add(made)
    with state.changing() as change:
        _, ends = store.rotate(change, made.id, 24 * HOUR, ME)
    assert ends == NOW + HOUR


def test_what_is_over_is_neither_rotated_nor_revoked_again(state, add):
    made = key()
    add(made)
    with state.changing() as change:
        store.revoke(change, made.id, ME)
    with pytest.raises(Refused, match="revoked"), state.changing() as change:
        store.rotate(change, made.id, HOUR, ME)
    with pytest.raises(Refused, match="revoked already"), state.changing() as change:
        store.revoke(change, made.id, ME)
    with pytest.raises(Refused, match="key list"), state.changing() as change:
        store.revoke(change, "nobody", ME)


def test_no_secret_is_on_the_disk_or_in_the_audit(state, add, tmp_path):
    made = key()
    tokens = [add(made)]
    with state.changing() as change:
        tokens.append(store.rotate(change, made.id, HOUR, ME)[0])
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    noted = repr(newest(state, 10))
    for token in tokens:
        secret = token.split("_", 2)[2]
        assert secret.encode() not in written
        assert secret not in noted
    assert [note.action for note in newest(state, 10)] == ["key.rotate", "key.create"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"scope": {}}, "--team"),
        ({"scope": {"team": ""}}, "--team"),
        ({"tenant": "a/b"}, "slash"),
        ({"tenant": " "}, "printable"),
        ({"tags": {"model": "x"}}, "tag's name"),
        ({"tags": {"a b": "x"}}, "tag's name"),
        ({"scope": {"team": "a\nb"}}, "printable"),
        ({"name": "x" * 201}, "printable"),
        ({"models": ("",)}, "glob"),
    ],
)
def test_a_key_that_cannot_be_is_refused_in_words(wrong, says):
    with pytest.raises(Refused, match=says):
        msgspec.structs.replace(key(), **wrong).checked()


@given(
    st.tuples(st.text("ab/", min_size=1), st.text("ab/")), st.tuples(st.text("ab/"), st.text("ab/"))
)
def test_two_tenants_never_share_a_name(one, other):
    pairs = [(tenant.replace("/", "-"), customer) for tenant, customer in (one, other)]
    names = [tenant_of(key(tenant=tenant), customer) for tenant, customer in pairs]
    assert (names[0] == names[1]) == (pairs[0] == pairs[1])
