"""The rows that a call leaves in the ledger, made from what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from farthing.domain.call import Call, Status, Traced
from farthing.domain.money import Money
from farthing.domain.usage import Usage
from farthing.gateway.exchange import Attempt, Exchange
from farthing.providers.reading import Reading

SOURCE = "gateway"
NO_USAGE = Usage()
_encode = msgspec.json.Encoder(order="sorted").encode


def as_json(labels: Mapping[str, object]) -> str | None:
    return _encode(labels).decode() if labels else None


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


def _whose(x: Exchange) -> dict[str, Any]:
    """Who a row's cost belongs to, and what decided about it."""
    facts = x.facts
    return {
        "policy_version": x.knobs.version,
        "arm": x.arm,
        "team": facts.get("team"),
        "project": facts.get("project"),
        "feature": facts.get("feature"),
        "customer": facts.get("customer"),
        "environment": facts.get("environment"),
        "cost_center": facts.get("cost_center"),
        "key": facts.get("key"),
        "session_id": x.session,
        "trace_id": x.trace_id,
        "parent_span": x.parent_span,
        "trace_state": x.trace_state,
        "tags": as_json(x.tags),
    }


def intent_row(x: Exchange, attempt: Attempt) -> Call:
    ask, upstream = x.ask, attempt.target.upstream
    return Traced(
        id=x.id,
        attempt=attempt.number,
        time=datetime.fromtimestamp(x.began, UTC),
        source=SOURCE,
        provider=upstream.provider,
        account=upstream.account,
        operation=ask.operation,
        model=ask.model,
        **_whose(x),
        flags=",".join(sorted(attempt.flags)) or None,
    )


def settled_row(x: Exchange, attempt: Attempt, done: Outcome, ended: float) -> Call:
    """`ended` is in loop seconds."""
    ask, upstream = x.ask, attempt.target.upstream
    usage, reading = done.usage, done.reading
    flags = attempt.flags | done.flags
    first = attempt.first_byte
    return Traced(
        id=x.id,
        attempt=attempt.number,
        time=datetime.fromtimestamp(x.began, UTC),
        source=SOURCE,
        provider=upstream.provider,
        account=upstream.account,
        operation=ask.operation,
        model=ask.model,
        model_served=(reading.model if reading else None) or attempt.target.model,
        response_id=reading.response_id if reading else None,
        input_fresh=usage.input_fresh,
        cache_read=usage.cache_read,
        cache_write_short=usage.cache_write_short,
        cache_write_long=usage.cache_write_long,
        output_visible=usage.output_visible,
        reasoning=usage.reasoning,
        details=as_json(usage.details) if usage.details else None,
        request_hash=x.cache_key.hex() if x.cache_key else None,
        context=as_json(reading.context) if reading and reading.context else None,
        reported_usd=done.reported,
        list_usd=done.list,
        contracted_usd=done.contracted,
        effective_usd=done.effective,
        price_ids=",".join(done.price_ids) or None,
        **_whose(x),
        status=done.status,
        latency_ms=int((ended - x.started) * 1000),
        ttft_ms=int((first - x.started) * 1000) if first is not None else None,
        flags=",".join(sorted(flags)) if flags else None,
        cache=x.cache_word.decode(),
        sent_ms=int((attempt.sent_at - x.arrived) * 1000) if attempt.sent_at else None,
    )


def free_row(
    x: Exchange, status: Status, ended: float, *, saved: Money | None = None, reason: str | None
) -> Call:
    """A hit, a follower or a refusal: nothing was sent, nothing is owed."""
    return Traced(
        id=x.id,
        attempt=0,
        time=datetime.fromtimestamp(x.began, UTC),
        source=SOURCE,
        operation=x.ask.operation,
        model=x.ask.model,
        list_usd=Money.ZERO,
        contracted_usd=Money.ZERO,
        effective_usd=Money.ZERO,
        counterfactual_usd=saved,
        reason=reason,
        **_whose(x),
        request_hash=x.cache_key.hex() if x.cache_key else None,
        status=status,
        latency_ms=int((ended - x.started) * 1000),
        cache=x.cache_word.decode(),
    )
