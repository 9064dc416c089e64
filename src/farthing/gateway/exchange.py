"""One call in flight: what was asked, what is known of it, where its answer goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from farthing.domain.errors import FarthingError
from farthing.domain.money import Money
from farthing.gateway.recording import Recording
from farthing.providers.protocol import Ask, Meter, Protocol, Refusal
from farthing.providers.transport.wire import Answer, Headers

if TYPE_CHECKING:
    from asyncio import Task

    from farthing.access.keys import Key
    from farthing.budgets.holds import Hold
    from farthing.gateway.headers import Names
    from farthing.gateway.knobs import Knobs
    from farthing.gateway.reply import Reply
    from farthing.gateway.standing import Post, Standing
    from farthing.gateway.upstreams import Target
    from farthing.policy.rules.limit import Admission

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Refusing(FarthingError):
    """The caller gets no answer of a provider, but this."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry: bool = False,
        after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.after = after  # seconds until trying again makes sense
        self.refusal = Refusal(status=status, code=code, message=message, retry=retry)


class Attempt:
    """One try at one provider: the row that the ledger gets."""

    __slots__ = (
        "answer",
        "body",
        "cap",
        "first_byte",
        "flags",
        "hard",
        "hold",
        "hold_amount",
        "meter",
        "number",
        "open",
        "post",
        "sent",
        "sent_at",
        "strip_usage",
        "target",
        "tier",
    )

    def __init__(self, number: int, target: Target) -> None:
        self.number, self.target = number, target
        self.post: Post
        self.hold: Hold | None = None
        self.hard = False  # whether a hard budget covers it
        self.hold_amount: Money | None = None  # the worst case, or an estimate; None: no price
        self.cap: int | None = None  # what the output was clamped to
        self.body = b""
        self.strip_usage = False
        self.answer: Answer | None = None
        self.meter: Meter | None = None
        self.first_byte: float | None = None
        self.flags: set[str] = set()
        self.sent_at: float | None = None  # as `perf_counter` counts
        self.tier: str | None = None  # that a route asks for, where the caller asks for none
        self.sent = False  # whether a byte may have reached the provider
        self.open = False  # whether its intent is in the journal without a settlement


class Exchange:
    """A call from its first byte to its settlement. Stages fill it in from left to right."""

    __slots__ = (
        "admission",
        "arm",
        "arrived",
        "ask",
        "asked",
        "at_provider",
        "attempt",
        "attempts",
        "began",
        "body",
        "booked",
        "cache_key",
        "cache_secret",
        "cache_word",
        "cost",
        "events",
        "facts",
        "headers",
        "hung_up",
        "id",
        "idempotency_key",
        "key",
        "knobs",
        "left_at",
        "names",
        "parent_span",
        "path_model",
        "path_stream",
        "protocol",
        "receive",
        "reply",
        "row",
        "session",
        "slow",
        "stalled_at",
        "standing",
        "started",
        "tap",
        "task",
        "tenant",
        "tokens",
        "trace_id",
        "trace_state",
        "when",
        "whole",
    )

    def __init__(  # noqa: PLR0915  one line for each thing that is known of a call
        self, call_id: str, began: float, started: float, headers: Headers, names: Names
    ) -> None:
        self.id, self.began, self.started = call_id, began, started  # epoch and loop seconds
        # The loop's clock stands still while we work, and counts milliseconds: not for metrics.
        self.arrived = perf_counter()
        self.when = datetime.fromtimestamp(began, UTC)
        self.headers, self.names = headers, names
        self.protocol: Protocol
        self.path_model: str | None = None
        self.path_stream = False
        self.events = True  # Gemini streams a JSON array where `alt=sse` is not asked for
        self.asked = False  # whether `ask` was read
        self.receive: Receive
        self.body = b""
        self.key: Key | None = None
        self.tenant = ""
        self.standing: Standing
        self.facts: Mapping[str, str | None]
        self.session: str | None = None
        self.trace_id: str | None = None
        self.parent_span: str | None = None  # the caller's, and its flags
        self.trace_state: str | None = None
        self.ask: Ask
        self.knobs: Knobs
        self.admission: Admission | None = None
        self.arm: str | None = None
        self.cache_key: bytes | None = None  # None: nobody looked
        self.cache_secret = b""  # what a kept answer to it is sealed with
        self.cache_word = b"bypass"
        self.attempts = 0
        self.at_provider = 0.0  # seconds that attempts took from their first byte out to their end
        self.booked = False  # whether an attempt has a row of its own
        self.attempt: Attempt | None = None
        self.reply: Reply
        self.tap: Recording | None = None
        self.idempotency_key: str | None = None
        self.whole = False  # whether the answer came to its end and its usage is known
        self.tokens = 0  # that were used, once settled
        self.cost: Money | None = None  # of the last attempt, once it is settled
        self.task: Task[None] | None = None
        self.stalled_at: float | None = None  # since when its caller does not read, loop seconds
        self.slow = False  # its body did not come in time
        self.row: bytes | None = None  # what all its rows have in common
        self.hung_up = False
        self.left_at = 0.0  # when the caller hung up, in loop seconds

    def record(self) -> Recording:
        """Keep the answer as it passes; who asks for that second gets the same recording."""
        if self.tap is None:
            self.tap = Recording()
        return self.tap

    def header(self, name: bytes) -> bytes | None:
        """The first header of that name (in lower case)."""
        place = self.names.first.get(name)
        return None if place is None else self.headers[place][1]

    def said(self, name: bytes) -> str | None:
        """A header as text; None where it is absent, empty or no text."""
        value = self.header(name)
        return value.decode("utf-8", "ignore").strip() or None if value else None
