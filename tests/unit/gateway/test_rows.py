"""The lines that a call leaves in the journal say what the call was, whatever is in it."""

from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.access.keys import Key
from farthing.domain.call import Call
from farthing.domain.money import Money
from farthing.domain.scope import SCOPE
from farthing.domain.usage import Usage
from farthing.gateway.exchange import Attempt, Exchange
from farthing.gateway.headers import Names
from farthing.gateway.rows import Outcome, free_line, intent_line, settled_line
from farthing.gateway.standing import Standing
from farthing.gateway.upstreams import Target, Upstream
from farthing.ledger import journal
from farthing.ledger.journal import Segment
from farthing.providers.kinds import KINDS
from farthing.providers.reading import Reading
from farthing.providers.transport.wire import Origin, Timeouts

BEGAN = 1_795_000_000.123456
# Whatever a caller or a provider may put into a name: quotes, escapes, other scripts.
names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
maybe = st.none() | names
money = st.none() | st.integers(0, 3 * 10**12).map(Money)
tokens = st.integers(0, 10**12)
flags = st.sets(st.sampled_from(["clamped", "estimated", "over_bound"]))
labels = st.dictionaries(names.filter(lambda name: name not in SCOPE), names, max_size=3)
details = st.dictionaries(names, tokens, max_size=2)
usages = st.builds(Usage, tokens, tokens, tokens, tokens, tokens, tokens, details)


@st.composite
def calls(draw: st.DrawFn) -> Exchange:
    key = Key(id="k1", tenant="acme", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    tags = draw(labels)
    facts = {
        **tags,
        "team": draw(maybe),
        "customer": draw(maybe),
        "key": "k1",
        "model": draw(names),
        "operation": draw(st.sampled_from([None, "chat"])),
        "session_id": draw(maybe),
    }
    x = Exchange("0" * 32, BEGAN, 100.0, [], Names(()))
    x.standing = Standing(key, facts, tags)
    x.facts = x.standing.facts
    x.knobs = SimpleNamespace(version=draw(names))
    x.arm, x.trace_id = draw(maybe), draw(maybe)
    x.cache_key = draw(st.none() | st.binary(min_size=32, max_size=32))
    return x


@st.composite
def attempts(draw: st.DrawFn, x: Exchange) -> Attempt:
    upstream = Upstream(
        name="mine",
        kind=KINDS["openai"],
        origin=Origin("https", "api.example.com", 443),
        base_path=b"",
        secret=str,
        headers=list,
        models=(),
        provider=draw(names),
        account=draw(maybe),
        weight=1,
        region=None,
        timeouts=Timeouts(),
    )
    attempt = Attempt(draw(st.integers(1, 3)), Target(upstream, draw(names)))
    attempt.post = x.standing.at(upstream)
    attempt.flags, attempt.hold_amount = draw(flags), draw(money)
    attempt.first_byte = draw(st.none() | st.just(100.25))
    return attempt


def common(x: Exchange) -> dict[str, object]:
    said = {name: x.facts.get(name) for name in ("team", "customer", "key", "session_id")}
    tags = x.standing.tags
    return said | {
        "id": x.id,
        "time": datetime.fromtimestamp(BEGAN, UTC),
        "source": "gateway",
        "operation": x.facts["operation"],
        "model": x.facts["model"],
        "policy_version": x.knobs.version,
        "arm": x.arm,
        "trace_id": x.trace_id,
        "tags": msgspec.json.encode(tags, order="sorted").decode() if tags else None,
    }


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A line as the journal gives it back."""
    path = tmp_path_factory.mktemp("journal") / "00000001.ndjson"

    def reading(line: bytes) -> journal.Entry:
        path.write_bytes(line)
        (entry,) = journal.read(Segment("0", 1, path))
        return entry

    return reading


@given(st.data())
def test_an_intent_says_where_the_call_goes_and_what_it_holds(read, data):
    x = data.draw(calls())
    attempt = data.draw(attempts(x))
    entry = read(intent_line(x, attempt))
    upstream = attempt.target.upstream
    assert (entry.settled, entry.hold) == (False, attempt.hold_amount)
    assert entry.call == Call(
        **common(x),
        attempt=attempt.number,
        provider=upstream.provider,
        account=upstream.account,
        flags=",".join(sorted(attempt.flags)) or None,
    )


@given(st.data())
def test_a_settlement_says_what_was_used_and_what_it_cost(read, data):
    x = data.draw(calls())
    attempt = data.draw(attempts(x))
    status = data.draw(st.sampled_from(["ok", "error", "cancelled"]))
    done = Outcome(status, data.draw(usages))
    done.flags, done.price_ids = data.draw(flags), tuple(data.draw(st.lists(names, max_size=2)))
    done.list, done.contracted = data.draw(money), data.draw(money)
    done.effective, done.reported = data.draw(money), data.draw(money)
    if data.draw(st.booleans()):
        done.costs(data.draw(money))
    context = data.draw(labels)
    reading = Reading(usage=done.usage, model=data.draw(maybe), response_id=data.draw(maybe))
    done.reading = msgspec.structs.replace(reading, context=context)
    line = settled_line(x, attempt, done, ended=101.5)
    entry = read(line)
    usage, upstream = done.usage, attempt.target.upstream
    assert entry.settled
    assert entry.call == Call(
        **common(x),
        attempt=attempt.number,
        provider=upstream.provider,
        account=upstream.account,
        model_served=reading.model or attempt.target.model,
        response_id=reading.response_id,
        input_fresh=usage.input_fresh,
        cache_read=usage.cache_read,
        cache_write_short=usage.cache_write_short,
        cache_write_long=usage.cache_write_long,
        output_visible=usage.output_visible,
        reasoning=usage.reasoning,
        details=_json(usage.details),
        request_hash=x.cache_key.hex() if x.cache_key else None,
        context=_json(context),
        reported_usd=done.reported,
        list_usd=done.list,
        contracted_usd=done.contracted,
        effective_usd=done.effective,
        price_ids=",".join(done.price_ids) or None,
        status=status,
        latency_ms=1500,
        ttft_ms=None if attempt.first_byte is None else 250,
        flags=",".join(sorted(attempt.flags | done.flags)) or None,
    )


@given(st.data())
def test_what_cost_nothing_says_what_it_saved(read, data):
    x, saved, reason = data.draw(calls()), data.draw(money), data.draw(maybe)
    line = free_line(x, "refused", 100.5, saved=saved, reason=reason)
    entry = read(line)
    assert entry.call == Call(
        **common(x),
        attempt=0,
        list_usd=Money.ZERO,
        contracted_usd=Money.ZERO,
        effective_usd=Money.ZERO,
        counterfactual_usd=saved,
        reason=reason,
        request_hash=x.cache_key.hex() if x.cache_key else None,
        status="refused",
        latency_ms=500,
    )


def _json(labels: object) -> str | None:
    return msgspec.json.encode(labels, order="sorted").decode() if labels else None


@given(st.data())
def test_a_settlement_carries_what_its_spans_need(data):
    x = data.draw(calls())
    x.trace_id, x.parent_span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7-01"
    x.trace_state, x.cache_word = data.draw(maybe), b"shadow"
    attempt = data.draw(attempts(x))
    attempt.sent_at = x.arrived + 0.0425
    line = journal.decode_call(settled_line(x, attempt, Outcome("ok"), ended=101.5))
    assert (line.parent_span, line.trace_state) == (x.parent_span, x.trace_state)
    assert (line.trace_id, line.cache, line.sent_ms) == (x.trace_id, "shadow", 42)
    free = journal.decode_call(free_line(x, "ok", 101.5, reason="cache"))
    assert (free.parent_span, free.cache, free.attempt) == (x.parent_span, "shadow", 0)
