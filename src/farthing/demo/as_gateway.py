"""Tell the month as farthing's own gateway would have booked it: one priced row per attempt."""

from __future__ import annotations

from collections.abc import Iterator

from farthing.demo.bill import call_price
from farthing.demo.company import ACCOUNTS, OPERATIONS
from farthing.demo.world import Attempt, World
from farthing.domain.call import Call
from farthing.domain.money import Money
from farthing.prices.book import Book


def calls(world: World, book: Book) -> Iterator[Call]:
    """The rows in order of time. A failed attempt settled at nothing: it used nothing."""
    for attempt in world.attempts:
        yield _call(attempt, book)


def _call(attempt: Attempt, book: Book) -> Call:
    answered = attempt.status == "ok"
    price = call_price(book, attempt) if answered else None
    usage = attempt.usage
    return Call(
        id=attempt.id,
        attempt=attempt.attempt,
        time=attempt.time,
        source="gateway",
        provider=attempt.model.provider,
        account=ACCOUNTS[attempt.model.provider],
        operation=OPERATIONS[attempt.model.provider],
        model=attempt.model.asked,
        model_served=attempt.model.served if answered else None,
        response_id=attempt.response_id,
        input_fresh=usage.input_fresh,
        cache_read=usage.cache_read,
        cache_write_short=usage.cache_write_short,
        cache_write_long=usage.cache_write_long,
        output_visible=usage.output_visible,
        reasoning=usage.reasoning,
        list_usd=price.list if price else Money.ZERO,
        contracted_usd=price.contracted if price else Money.ZERO,
        effective_usd=price.effective if price else Money.ZERO,
        price_ids=",".join(price.price_ids) if price else None,
        team=attempt.team,
        project=attempt.project,
        feature=attempt.feature,
        customer=attempt.customer,
        environment=attempt.environment,
        key=attempt.key,
        session_id=attempt.session_id,
        trace_id=attempt.trace_id,
        request_hash=attempt.request_hash,
        status=attempt.status,
        latency_ms=attempt.latency_ms,
    )
