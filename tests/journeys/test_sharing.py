"""Answers are shared where that is right: cache, coalescing, idempotency; never across tenants."""

import json
import time
from decimal import Decimal

from tests.gateways import key, rows, up
from tests.journeys.calling import send_all


def ask(token, content, *, stream=False, headers=None, **more):
    body = {
        "model": "sim-small",
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 40,
        "stream": stream,
        **more,
    }
    return body, {"authorization": f"Bearer {token}", **(headers or {})}, 30.0


def word(answer):
    return answer.headers["x-farthing-cache"]


def test_the_second_equal_deterministic_call_is_free(simulated):
    call = ask(simulated.demo_key, "What is two and two?", temperature=0)
    (first,) = send_all(simulated.gateway, [call])
    (second,) = send_all(simulated.gateway, [call])
    assert (word(first), word(second)) == ("miss", "hit")
    assert second.body == first.body
    assert second.headers["x-farthing-cost-usd"] == "0"
    (row,) = rows(simulated.folder, f"id={second.headers['x-farthing-request-id']}")
    assert (row.get("attempt"), row["reason"]) == (0, "cache")
    assert Decimal(row["counterfactual_usd"]) == Decimal(first.headers["x-farthing-cost-usd"])


def test_a_cached_stream_replays_as_a_stream(simulated):
    call = ask(simulated.demo_key, "Count to three.", stream=True, temperature=0)
    (first,) = send_all(simulated.gateway, [call])
    (second,) = send_all(simulated.gateway, [call])
    assert (word(first), word(second)) == ("miss", "hit")
    assert second.body == first.body
    assert second.headers["Content-Type"].startswith("text/event-stream")


def test_what_is_not_deterministic_is_only_counted(simulated):
    call = ask(simulated.demo_key, "Tell me a story.")
    answers = [send_all(simulated.gateway, [call])[0] for _ in range(2)]
    assert [word(each) for each in answers] == ["shadow", "shadow"]
    ids = {json.loads(each.body)["id"] for each in answers}
    assert len(ids) == 2


def test_a_caller_may_opt_out(simulated):
    headers = {"x-farthing-cache": "off"}
    call = ask(simulated.demo_key, "What is two and two?", temperature=0, headers=headers)
    assert word(send_all(simulated.gateway, [call])[0]) == "bypass"


def test_a_misspelt_wish_is_refused_before_it_costs_anything(simulated):
    headers = {"x-farthing-cache": "of"}
    call = ask(simulated.demo_key, "What is two and two?", temperature=0, headers=headers)
    (refused,) = send_all(simulated.gateway, [call])
    assert refused.status == 400
    assert "off, refresh or no-store" in json.loads(refused.body)["error"]["message"]


def test_no_answer_crosses_tenants(simulated):
    other = key(simulated.folder, "--tenant", "somebody-else")["key"]
    content = "What is the secret of tenant one?"
    headers = {"idempotency-key": "the-same-for-both"}
    mine = ask(simulated.demo_key, content, temperature=0, headers=headers)
    theirs = ask(other, content, temperature=0, headers=headers)
    (first,) = send_all(simulated.gateway, [mine])
    _wait_for_the_key(simulated, theirs)
    (second,) = send_all(simulated.gateway, [theirs])
    assert word(second) == "miss"
    assert json.loads(second.body)["id"] != json.loads(first.body)["id"]


def test_equal_calls_in_flight_share_one_answer(simulated):
    headers = {"x-sim-latency-ms": "800"}
    for stream in (False, True):
        call = ask(
            simulated.demo_key, f"All at once {stream}.", stream=stream, temperature=0,
            headers=headers,
        )  # fmt: skip
        answers = send_all(simulated.gateway, [call] * 20)
        assert {each.status for each in answers} == {200}
        assert len({each.body for each in answers}) == 1
        words = sorted(word(each) for each in answers)
        assert words.count("miss") == 1
        assert set(words) <= {"miss", "coalesced", "hit"}


def test_an_idempotency_key_replays_and_takes_no_other_body(simulated):
    headers = {"idempotency-key": "order-66"}
    call = ask(simulated.demo_key, "Once only.", headers=headers)
    (first,) = send_all(simulated.gateway, [call])
    (again,) = send_all(simulated.gateway, [call])
    assert (word(again), again.body) == ("replayed", first.body)
    (other,) = send_all(simulated.gateway, [ask(simulated.demo_key, "Other.", headers=headers)])
    assert (other.status, other.code) == (422, "idempotency_mismatch")


def test_answers_of_unknown_price_are_kept_and_replayed_too(tmp_path):
    models = 'models = ["sim-small"]\npriced_as = "nobody"\n'
    (tmp_path / "farthing.toml").write_text(f'[providers.own]\nkind = "simulator"\n{models}')
    token = key(tmp_path)["key"]
    with up(tmp_path) as started:
        once = ask(token, "Once only.", headers={"idempotency-key": "order-66"})
        same = ask(token, "What is two and two?", temperature=0)
        words = [word(send_all(started.gateway, [call])[0]) for call in (once, once, same, same)]
        (priced,) = send_all(started.gateway, [ask(token, "And what is that?")])
    assert words == ["shadow", "replayed", "miss", "hit"]
    assert "x-farthing-cost-usd" not in priced.headers


def _wait_for_the_key(simulated, call):
    """A new key takes effect within a second."""
    deadline = time.monotonic() + 10
    body, headers, patience = call
    probe = ({**body, "model": "no-such-model"}, {**headers, "idempotency-key": "x"}, patience)
    while send_all(simulated.gateway, [probe])[0].status == 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
