"""Whatever a provider does: the caller hears, the row is flagged and settled, nothing grows."""

import json
import time
from decimal import Decimal

import pytest

from tests.gateways import budget, key, rows, up
from tests.journeys.liar import BEHAVIOURS, liar
from tests.journeys.sockets import connect, read, request, resident_mb, send

STREAMS = {
    "in drops", "usage twice", "usage in the first event", "usage after the end",
    *(how for how in BEHAVIOURS if "stream" in how),
}  # fmt: skip
# What the caller is told where there is no answer: the status and our code.
REFUSED = {
    "reset at once": (502, "upstream_lost"),
    "close at once": (502, "upstream_lost"),
    "silence": (504, "upstream_timeout"),
    "garbage": (502, "upstream_lost"),
    "a head of a megabyte": (502, "upstream_lost"),
    "hints for ever": (502, "upstream_lost"),
    "another protocol": (502, "upstream_lost"),
    "too short": (502, "upstream_lost"),
    "reset in the middle": (502, "upstream_lost"),
    "two lengths": (502, "upstream_lost"),
}
BROKEN_OFF = ("a stream reset", "a stream cut off")
# Answers that tell no usage, or none that can be: what they are flagged with.
UNTOLD = {
    "too long": "garbled_answer",
    "no JSON": "garbled_stream",
    "packed": "garbled_stream",
    "a stream without usage": None,
    "a stream of garbage": "garbled_stream",
    "no usage": None,
    "usage below zero": "garbled_usage",
    "usage beyond sense": "garbled_usage",
    "usage in words": "garbled_usage",
    "usage as a list": "garbled_usage",
}
# Answers that are odd and can be read: the output tokens they are booked with.
READ = {
    "well": 3,
    "well, streaming": 3,
    "in drops": 3,
    "trailers": 3,
    "our own headers": 3,
    "usage twice": 4,
    "usage in the first event": 3,
    "usage after the end": 3,
}
OVER = ("usage above the bound", "more cached than asked")
ENDLESS = "a stream that never ends"
APART = ("a redirect", "100 MB", ENDLESS)
SOFT = ("no usage", "packed", "a stream reset", "usage beyond sense")
CAP = 5


@pytest.fixture(scope="module")
def lying(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lying")
    with liar() as provider:
        (folder / "farthing.toml").write_text(
            f'[providers.liar]\nkind = "openai"\nbase_url = "{provider.url}"\n'
            'api_key = "env:LIAR"\nmodels = ["gpt-4o-mini"]\ntimeout_seconds = 2\n'
            "[retry]\nattempts = 0\n"
        )
        hard = key(folder, "--hard-budget", "100/month")
        soft = key(folder)
        with up(folder, environment={"LIAR": "none"}) as gateway:
            gateway.liar, gateway.keys = provider, {"hard": hard, "soft": soft}
            yield gateway


def call(how, token):
    body = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": how}],
        "max_tokens": CAP,
        "stream": how in STREAMS,
    }
    return request(token, json.dumps(body).encode(), fields=b"connection: close\r\n")


@pytest.fixture(scope="module")
def told(lying):
    """What the caller heard, and the row, by behaviour and budget; each is asked for once."""
    heard = {}
    for how in BEHAVIOURS:
        for kind in ("hard", "soft") if how in SOFT else ("hard",):
            if how not in (*OVER, ENDLESS):
                heard[how, kind] = send(lying, call(how, lying.keys[kind]["key"]), answers=0)
                assert heard[how, kind].closed
    booked = {row["id"]: row for row in rows(lying.folder)}
    return {asked: (each, booked[number_of(each)]) for asked, each in heard.items()}


def number_of(heard):
    """The id of the call that was answered."""
    return heard.raw.partition(b"x-farthing-request-id: ")[2].partition(b"\r\n")[0].decode()


def test_every_behaviour_has_its_test():
    named = {*REFUSED, *BROKEN_OFF, *UNTOLD, *READ, *OVER, *APART}
    assert named == set(BEHAVIOURS)


@pytest.mark.parametrize("how", REFUSED)
def test_no_answer_is_said_so_and_booked_at_its_hold(how, told):
    heard, row = told[how, "hard"]
    error = heard.error
    assert (heard.status, error["code"]) == REFUSED[how]
    assert "'liar'" in error["message"]
    assert (row["status"], row["flags"]) == ("error", ["booked_at_hold"])
    assert Decimal(row["effective_usd"]) > 0


@pytest.mark.parametrize("how", BROKEN_OFF)
def test_a_stream_that_breaks_off_ends_with_an_error_of_its_protocol(how, told):
    heard, row = told[how, "hard"]
    assert heard.status == 200
    last = heard.raw.rpartition(b"data: ")[2].partition(b"\n")[0]
    assert json.loads(last)["error"]["code"] == "upstream_lost"
    assert (row["status"], row["flags"]) == ("error", ["booked_at_hold"])


@pytest.mark.parametrize("how", UNTOLD)
def test_an_answer_without_usage_is_passed_on_booked_and_flagged(how, told):
    heard, row = told[how, "hard"]
    assert heard.status == 200
    assert row["flags"] == sorted({"booked_at_hold", UNTOLD[how]} - {None})
    assert Decimal(row["effective_usd"]) > 0
    assert min(row["usage"].values()) >= 0


@pytest.mark.parametrize("how", SOFT)
def test_without_a_hard_budget_it_is_estimated_within_what_was_asked(how, told):
    _, row = told[how, "soft"]
    assert "estimated" in row["flags"]
    assert row["usage"]["input_fresh"] > 0
    assert 0 <= row["usage"]["output_visible"] <= CAP


@pytest.mark.parametrize("how", READ)
def test_what_can_be_read_is_booked_as_it_says(how, told):
    heard, row = told[how, "hard"]
    assert (heard.status, row["status"], row["flags"]) == (200, "ok", [])
    assert row["usage"]["output_visible"] == READ[how]
    assert row["usage"]["input_fresh"] == 9


def test_a_provider_cannot_speak_for_the_gateway(told):
    heard, row = told["our own headers", "hard"]
    head = heard.raw.partition(b"\r\n\r\n")[0].lower()
    assert head.count(b"x-farthing-request-id") == head.count(b"x-farthing-cost-usd") == 1
    assert b"set-cookie" not in head
    assert f"x-farthing-cost-usd: {row['effective_usd']}".encode() in head


def test_packed_bytes_keep_the_word_that_says_so(told):
    heard, _ = told["packed", "hard"]
    assert b"content-encoding: gzip" in heard.raw.partition(b"\r\n\r\n")[0]


def test_a_redirect_is_followed_by_nobody_and_costs_nothing(told):
    heard, row = told["a redirect", "hard"]
    assert (heard.status, heard.error["code"]) == (502, "upstream_redirect")
    assert b"location" not in heard.raw.lower()
    assert (Decimal(row["effective_usd"]), row["flags"]) == (0, ["http_307"])


def test_usage_above_the_bound_is_booked_flagged_and_blocks(lying):
    made = {how: key(lying.folder, "--hard-budget", "100/month") for how in OVER}
    time.sleep(1)  # until they are in force
    for how, each in made.items():
        assert send(lying, call(how, each["key"]), answers=0).status == 200
        refused = send(lying, call("well", each["key"]), answers=0)
        assert (refused.status, refused.error["code"]) == (429, "budget_exhausted")
        assert "budget raise" in refused.error["message"]
    time.sleep(1.5)  # until the sums are stored
    booked = {row["scope"]["key"]: row for row in rows(lying.folder) if row["attempt"]}
    for each in made.values():
        row, stored = booked[each["id"]], budget(lying.folder, f"key-{each['id']}")
        assert "over_bound" in row["flags"]
        assert stored["blocked"]
        assert Decimal(stored["settled_usd"]) == Decimal(row["effective_usd"])


def test_100_mb_pass_without_staying(lying, told):
    heard, row = told["100 MB", "hard"]
    assert heard.status == 200
    assert len(heard.raw) > 100 << 20
    assert row["flags"] == ["booked_at_hold", "garbled_answer", "overlong_answer"]
    assert resident_mb(lying.gateway_pid()) < 120


def test_a_stream_that_never_ends_ends_with_its_caller(lying):
    """What is read on for a caller who left is bounded in time and size."""
    before, heard = len(lying.liar.left), {}
    for kind, each in lying.keys.items():
        with connect(lying) as raw:
            raw.sendall(call(ENDLESS, each["key"]))
            heard[kind] = read(raw, 1)
    deadline = time.monotonic() + 20
    while len(lying.liar.left) < before + 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert lying.liar.left[before:] == [ENDLESS] * 2
    time.sleep(0.2)
    booked = {row["id"]: row for row in rows(lying.folder)}
    for kind, each in heard.items():
        row = booked[number_of(each)]
        assert row["status"] == "cancelled"
        assert "hung_up" in row["flags"]
        assert row["usage"]["output_visible"] <= CAP or kind == "hard"
    assert resident_mb(lying.gateway_pid()) < 150


def test_every_request_that_reached_the_provider_has_one_row(lying):
    """The last test of this file: over all that was tried before."""
    assert send(lying, call("well", lying.keys["soft"]["key"]), answers=0).status == 200
    booked = [row for row in rows(lying.folder) if row["attempt"]]
    assert len(booked) == len(lying.liar.asked)
    assert {row["attempt"] for row in booked} == {1}
    hard = lying.keys["hard"]["id"]
    owed = sum(Decimal(row["effective_usd"]) for row in booked if row["scope"]["key"] == hard)
    time.sleep(1.5)
    assert Decimal(budget(lying.folder, f"key-{hard}")["settled_usd"]) == owed
