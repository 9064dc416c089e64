"""The rows that a call leaves in the journal, written from what is known of it.

Each is one line of the journal, as `ledger.journal` reads it back into a `Call`. They are put
together from parts that are the same for many calls, since encoding them anew for each would cost
more than all decisions about it.
"""

from __future__ import annotations

import msgspec

from farthing.domain.call import Status
from farthing.domain.money import PICO_PER_USD, Money
from farthing.domain.usage import Usage
from farthing.gateway.exchange import Attempt, Exchange
from farthing.gateway.standing import fields, json_of
from farthing.providers.reading import Reading

NO_USAGE = Usage()
_encode = msgspec.json.encode


class Outcome:
    """How an attempt ended, and what it cost."""

    __slots__ = (
        "contracted", "effective", "flags", "list", "price_ids", "reading", "reported", "status",
        "usage",
    )  # fmt: skip

    def __init__(self, status: Status, usage: Usage = NO_USAGE) -> None:
        self.status, self.usage = status, usage
        self.reading: Reading | None = None
        self.list = self.contracted = self.effective = None  # type: Money | None
        self.reported: Money | None = None
        self.price_ids: tuple[str, ...] = ()
        self.flags: set[str] = set()

    def costs(self, amount: Money | None) -> Outcome:
        """One amount for all three, where no tokens say more."""
        self.list = self.contracted = self.effective = amount
        return self


def intent_line(x: Exchange, attempt: Attempt) -> bytes:
    amount = attempt.hold_amount
    held = b"" if amount is None else b'"hold_usd":"%b",' % _usd(amount)
    flags = _flags(attempt.flags) if attempt.flags else b""
    return b'{"line":"intent",%b"attempt":%d,%b,%b%b}\n' % (
        held, attempt.number, _common(x), attempt.post.line, flags,
    )  # fmt: skip


def settled_line(x: Exchange, attempt: Attempt, done: Outcome, ended: float) -> bytes:
    """`ended` is in loop seconds."""
    usage, reading, first = done.usage, done.reading, attempt.first_byte
    flags = attempt.flags | done.flags
    sent_ms = (attempt.sent_at - x.arrived) * 1000 if attempt.sent_at is not None else 0
    parts = [
        b'{"line":"call","attempt":%d,%b,%b,"latency_ms":%d,"input_fresh":%d,"output_visible":%d'
        b',"cache":"%b","sent_ms":%d'
        % (
            attempt.number, _common(x), attempt.post.line, (ended - x.started) * 1000,
            usage.input_fresh, usage.output_visible, x.cache_word, sent_ms,
        ),
        _costs(done),
    ]  # fmt: skip
    if reading is not None:
        parts.append(_read(reading, attempt.target.model))
    else:
        parts.append(b',"model_served":%b' % _encode(attempt.target.model))
    if usage.cache_read or usage.cache_write_short or usage.cache_write_long or usage.reasoning:
        parts.append(_beside(usage))
    if usage.details:
        parts.append(b',"details":%b' % _encode(json_of(usage.details)))
    if x.cache_key is not None:
        parts.append(b',"request_hash":"%b"' % x.cache_key.hex().encode())
    if done.status != "ok":
        parts.append(b',"status":"%b"' % done.status.encode())
    if first is not None:
        parts.append(b',"ttft_ms":%d' % ((first - x.started) * 1000))
    if flags:
        parts.append(_flags(flags))
    parts.append(b"}\n")
    return b"".join(parts)


def free_line(
    x: Exchange, status: Status, ended: float, *, saved: Money | None = None, reason: str | None
) -> bytes:
    """A hit, a follower or a refusal: nothing was sent, nothing is owed."""
    parts = [
        b'{"line":"call","attempt":0,%b,"list_usd":"0","contracted_usd":"0","effective_usd":"0",'
        b'"status":"%b","latency_ms":%d,"cache":"%b"'
        % (_common(x), status.encode(), (ended - x.started) * 1000, x.cache_word)
    ]  # fmt: skip
    if saved is not None:
        parts.append(b',"counterfactual_usd":"%b"' % _usd(saved))
    if reason is not None:
        parts.append(b',"reason":%b' % _encode(reason))
    if x.cache_key is not None:
        parts.append(b',"request_hash":"%b"' % x.cache_key.hex().encode())
    parts.append(b"}\n")
    return b"".join(parts)


def _common(x: Exchange) -> bytes:
    """Which call it is, who it belongs to, and what decided about it."""
    if x.row is None:
        x.row = b'"id":"%b","time":%b,%b' % (
            x.id.encode(), _encode(x.when), x.standing.line(x.knobs.version, x.arm),
        )  # fmt: skip
        if x.trace_id is not None:
            state, parent = x.trace_state, x.parent_span
            told = {"trace_id": x.trace_id, "parent_span": parent, "trace_state": state}
            x.row += b"," + fields(told)
    return x.row


def _costs(done: Outcome) -> bytes:
    """Mostly they are the same three times."""
    listed, effective = done.list, done.effective
    if listed is not None and listed is done.contracted and listed is effective:
        cost = _usd(listed)
        costs = b',"list_usd":"%b","contracted_usd":"%b","effective_usd":"%b"' % (cost, cost, cost)
    else:
        named = (
            (b"list", listed),
            (b"contracted", done.contracted),
            (b"effective", effective),
        )
        costs = b"".join(
            b',"%b_usd":"%b"' % (name, _usd(each)) for name, each in named if each is not None
        )
    if done.reported is not None:
        costs += b',"reported_usd":"%b"' % _usd(done.reported)
    if done.price_ids:
        costs += b',"price_ids":%b' % _encode(",".join(done.price_ids))
    return costs


def _read(reading: Reading, asked: str) -> bytes:
    served = _encode(reading.model or asked)
    if reading.response_id is None:
        line = b',"model_served":%b' % served
    else:
        line = b',"model_served":%b,"response_id":%b' % (served, _encode(reading.response_id))
    if reading.context:
        line += b',"context":%b' % _encode(json_of(reading.context))
    return line


def _beside(usage: Usage) -> bytes:
    return b',"cache_read":%d,"cache_write_short":%d,"cache_write_long":%d,"reasoning":%d' % (
        usage.cache_read, usage.cache_write_short, usage.cache_write_long, usage.reasoning,
    )  # fmt: skip


def _flags(flags: set[str]) -> bytes:
    return b',"flags":%b' % _encode(",".join(sorted(flags)))


def _usd(amount: Money) -> bytes:
    pico = amount.pico
    # Most calls cost less than a dollar, and this is three times as fast as str().
    return b"0.%012d" % pico if 0 <= pico < PICO_PER_USD else str(amount).encode()
