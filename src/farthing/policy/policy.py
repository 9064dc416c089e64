"""The knobs that say how calls are treated, as one frozen value."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.policy import checks, faults
from farthing.policy.amounts import WHOLE, Share, Stretch, convert, days_of_week, minutes_of_day

Answering = Literal["deterministic", "on", "shadow", "off"]
# Shadow: the decision is made and counted, with the dollars where they are known; and that is all.
Mode = Literal["on", "shadow", "off"]
Positive = Annotated[int, Meta(ge=1, le=10**12)]
NotNegative = Annotated[int, Meta(ge=0, le=10**12)]

CAN_WAIT = "can_wait=true"  # what the header `x-farthing-can-wait: true` makes of a call
MINUTE, HOUR, DAY = 60, 3600, 86_400
DISK_MB = 256  # for answers, where the cache is on


class Cache(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[cache]`: answer from memory. `deterministic` serves what has one right answer only."""

    mode: Answering = "deterministic"
    ttl: Stretch = Stretch(HOUR)
    where: str = ""
    max_mb: Annotated[int, Meta(ge=1, le=65_536)] = 32
    max_disk_mb: Annotated[int, Meta(ge=0, le=1_048_576)] | None = None
    max_entry_kb: Annotated[int, Meta(ge=1, le=65_536)] = 1024

    def __post_init__(self) -> None:
        checks.in_range(self.ttl, "ttl", 10 * MINUTE, 7 * DAY)
        checks.readable(self.where)

    @property
    def disk_bytes(self) -> int:
        """What answers may take on disk: nothing unless somebody decided so; decisions/0006."""
        if self.mode in {"off", "shadow"}:
            return 0
        if self.max_disk_mb is None:
            return DISK_MB << 20 if self.mode == "on" else 0
        return self.max_disk_mb << 20


class Coalesce(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[coalesce]`: equal calls in flight share one answer."""

    mode: Answering = "deterministic"
    where: str = ""

    def __post_init__(self) -> None:
        checks.readable(self.where)


class Idempotency(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[idempotency]`: how long an idempotency key replays its answer."""

    seconds: Annotated[int, Meta(ge=30, le=60)] = 60


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[route]]`: a share of the calls for one model goes to another, or to a service tier."""

    of: str = field(name="from")  # glob of the model as asked
    to: str = ""  # a model, or provider/model; empty, with a tier: as asked
    tier: str | None = None  # as the provider calls it: flex, priority
    share: Share = Share.of(1)
    where: str = ""
    days: str | None = None  # mon-fri
    hours: str | None = None  # 22:00-06:00
    timezone: str = "UTC"
    mode: Mode = "on"

    def __post_init__(self) -> None:
        checks.named(self.of, "from")
        if self.tier is None:
            checks.named(self.to, "to")
        else:
            checks.a_tier(self.tier)
        checks.readable(self.where)
        checks.in_a_zone(self.timezone)
        if self.days is not None:
            days_of_week(self.days)
        if self.hours is not None:
            minutes_of_day(self.hours)

    @property
    def filter(self) -> str:
        """Which calls: a slow tier without a filter takes those that say they can wait."""
        return self.where or (CAN_WAIT if self.tier is not None else "")

    @property
    def conditions(self) -> tuple[str, ...]:
        """Routes that have these in common share out the same calls."""
        when = (self.hours or "", self.timezone)
        return (self.of, self.filter, *when, *((self.days,) if self.days else ()))


class Fallback(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[fallback]]`: where a call goes next when its own target fails."""

    of: str = field(name="from")
    to: tuple[str, ...]
    mode: Mode = "on"

    def __post_init__(self) -> None:
        checks.named(self.of, "from")
        if not self.to:
            raise ValueError('`to` names nothing. List at least one: to = ["provider/model"]')
        for target in self.to:
            checks.named(target, "to")


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[retry]`: how often, after what, and for how large a part of all calls to try again."""

    mode: Mode = "on"
    attempts: Annotated[int, Meta(ge=0, le=10)] = 2  # beside the first
    budget: Share = Share.of("10%")  # of the calls of the last minute
    floor: NotNegative = 10  # retries a minute that are always granted
    on: tuple[Annotated[int, Meta(ge=400, le=599)], ...] = (429, 500, 502, 503, 504, 529)
    lost: bool = True  # an answer that broke off before its first byte may have been paid for
    max_wait_seconds: Annotated[int, Meta(ge=0, le=60)] = 8


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[health]`: a target that keeps failing, or is slow, goes behind the others for a while."""

    mode: Mode = "on"
    eject_after: Annotated[int, Meta(ge=1, le=1000)] = 5  # failures in a row
    eject_seconds: Annotated[int, Meta(ge=1, le=3600)] = 30
    slow: Annotated[int, Meta(ge=2, le=100)] | None = None  # times the fastest's time to first byte


class Affinity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[affinity]`: equal beginnings go where a prompt cache is still warm from them."""

    mode: Mode = "on"
    minutes: Annotated[int, Meta(ge=1, le=1440)] = 10


class Balance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[balance]`: calls spread over the providers of a model; off: the first one has them all."""

    mode: Mode = "on"


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[limit]]`: how much each `per` may ask in a minute, or at once."""

    where: str = ""
    per: str = "key"
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    usd_per_minute: Money | None = None
    concurrency: Positive | None = None
    mode: Mode = "on"

    def __post_init__(self) -> None:
        checks.readable(self.where)
        checks.counted_by(self.per)
        bounds = (self.requests_per_minute, self.tokens_per_minute, self.concurrency)
        if not any(bounds) and self.usd_per_minute is None:
            raise ValueError("it limits nothing. Give requests_per_minute, or another bound")


class Loop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[loop]]`: what an agent that runs in circles looks like, and what is done about it."""

    where: str = ""
    per: str = "session_id"
    mode: Mode = "on"
    same_call: Annotated[int, Meta(ge=0, le=10_000)] = 20  # 0: not looked at
    within: Stretch = Stretch(5 * MINUTE)
    usd_per_minute: Money | None = None
    context_growth: Annotated[int, Meta(ge=2, le=100_000)] | None = None  # times the first call's
    min_context_kb: NotNegative = 64  # shorter requests never count as grown
    tool_error_ratio: Share | None = None
    min_tools: Positive = 10
    action: Literal["stop", "throttle"] = "stop"

    def __post_init__(self) -> None:
        checks.readable(self.where)
        checks.counted_by(self.per)
        checks.in_range(self.within, "within", 10, DAY)
        if self.same_call == 1:
            raise ValueError("same_call = 1 would stop every call. Write 2 or more, or 0 for never")
        wanted = (self.usd_per_minute, self.context_growth, self.tool_error_ratio)
        if not self.same_call and wanted == (None, None, None):
            raise ValueError("it looks for nothing. Give same_call, or another sign of a loop")


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[hold]`: what a hard budget does when it is nearly spent, or cannot tell the price."""

    wait_seconds: Annotated[int, Meta(ge=0, le=60)] = 2
    min_output_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] = 256
    unpriced: Literal["block", "ceiling", "allow"] = "block"
    ceiling_usd: Money | None = None  # a call

    def __post_init__(self) -> None:
        if (self.unpriced == "ceiling") != (self.ceiling_usd is not None):
            raise ValueError('unpriced = "ceiling" and ceiling_usd = "0.50" go together')


class HangUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[hang_up]`: how long an answer is read on for its usage after its caller has gone."""

    drain_seconds: Annotated[int, Meta(ge=0, le=600)] = 30
    drain_kb: Annotated[int, Meta(ge=0, le=1_048_576)] = 1024


# A test suite or a batch job repeats itself for good reasons, and stopping it would lose work. So
# the default only counts what it would have stopped: the evidence for turning it on.
WATCH_ONLY = Loop(same_call=50, mode="shadow")


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that may be set. `DEFAULT` is a policy that says nothing."""

    cache: Cache = Cache()
    coalesce: Coalesce = Coalesce()
    idempotency: Idempotency = Idempotency()
    routes: tuple[Route, ...] = field(name="route", default=())
    fallbacks: tuple[Fallback, ...] = field(name="fallback", default=())
    retry: Retry = Retry()
    health: Health = Health()
    affinity: Affinity = Affinity()
    balance: Balance = Balance()
    limits: tuple[Limit, ...] = field(name="limit", default=())
    loops: tuple[Loop, ...] = field(name="loop", default=(WATCH_ONLY,))
    hold: Hold = Hold()
    hang_up: HangUp = HangUp()

    def __post_init__(self) -> None:
        shares: dict[tuple[str, ...], int] = {}
        for route in self.routes:
            taken = shares.get(route.conditions, 0) + route.share
            if taken > WHOLE:
                raise ValueError(
                    f'the shares of the routes from = "{route.of}" with equal conditions add up '
                    f"to more than 1. Lower one, or tell them apart by where or hours"
                )
            shares[route.conditions] = taken


DEFAULT = Policy()


def parse(text: str) -> Policy:
    """The policy that a TOML text sets. Raises Refused saying where it is wrong, and the fix."""
    try:
        # Decimal: a share or an amount is what was written, not the float next to it.
        return read(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"The policy is not valid TOML: {error}.") from error


def read(tables: Mapping[str, Any]) -> Policy:
    """The policy of tables that are read already: `[policy.…]` in farthing.toml."""
    try:
        return msgspec.convert(dict(tables), Policy, dec_hook=convert)
    except msgspec.ValidationError as error:
        raise Refused(faults.explain(str(error), Policy)) from error


def written(policy: Policy) -> dict[str, Any]:
    """Every knob with its value, defaults included, as a file would say it; `read` takes it."""
    tables = msgspec.to_builtins(policy, enc_hook=str)  # money, shares, lengths of time
    return {name: _said(value) for name, value in tables.items()}


def _said(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_said(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _said(inner) for name, inner in value.items() if inner is not None}
    return value
