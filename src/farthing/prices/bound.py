"""The most that a call can cost, known before it is made."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farthing.domain.money import Money
from farthing.prices.units import ATTO_PER_PICO

NOTHING: Mapping[str, int] = {}


class Step(msgspec.Struct, frozen=True, gc=False):
    """The dearest attodollars for calls of up to so many input tokens."""

    upto: int | None  # None: any size
    input_atto: int  # of any input token: fresh or cached, read or written, of any modality
    output_atto: int  # of any output token: visible or reasoning, of any modality
    request_atto: int  # once a call


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What no call of one model costs more than, while `since` ≤ the moment it is priced at.

    It is taken over everything that a request leaves open: cache, modality, service tier and
    the price changes of the minutes after `until`, so that a call may begin before it and be
    priced after it. Attodollars; moments are epoch seconds.

    Not over what a provider says that it charged (OpenRouter's `usage.cost`, xAI's): that
    figure is booked as it comes, and nobody but the provider can bound it.
    """

    steps: tuple[Step, ...]  # by size, each at least as dear as those before it; the last is open
    extras: Mapping[str, int]  # of one count of each unit that is billed beside tokens
    minimums: Mapping[str, int]  # such a unit is billed at least so many times, where at all
    context_window: int | None
    max_output: int | None  # tokens of one choice
    since: float
    until: float  # ask again from then on

    @property
    def input_atto(self) -> int:
        return self.steps[-1].input_atto

    @property
    def output_atto(self) -> int:
        return self.steps[-1].output_atto

    @property
    def request_atto(self) -> int:
        return self.steps[-1].request_atto


class Unbounded(msgspec.Struct, frozen=True):
    """Why no most can be given: `no_output_limit`, `no_context_window`."""

    reason: str


NO_OUTPUT_LIMIT = Unbounded("no_output_limit")
NO_CONTEXT_WINDOW = Unbounded("no_context_window")


def worst_case(  # noqa: PLR0913  each is one thing that a request says; a struct would cost time
    bound: Bound,
    *,
    input_bytes: int,
    overhead: int = 0,
    windows: int = 0,
    choices: int = 1,
    output_cap: int | None = None,
    has_output: bool = True,
    extras: Mapping[str, int] = NOTHING,
) -> Money | Unbounded:
    """The most that one attempt can cost, rounded up to a picodollar.

    A token is at least one byte of UTF-8, so input is at most `input_bytes` + `overhead` tokens
    (what the provider adds: roles, tools); with `windows`, so many whole context windows more.
    A cap above the model's own maximum is that maximum where it is known. Without a cap output
    goes up to the maximum, else the context window.
    """
    tokens = input_bytes + overhead
    if windows:
        if bound.context_window is None:
            return NO_CONTEXT_WINDOW
        tokens += windows * bound.context_window
    output = 0
    if has_output:
        most = bound.max_output
        if output_cap is None:
            most = bound.context_window if most is None else most
            if most is None:
                return NO_OUTPUT_LIMIT
        elif most is None or output_cap < most:
            most = output_cap
        output = choices * most
    step = _step(bound, tokens)
    total = tokens * step.input_atto + output * step.output_atto + step.request_atto
    if extras:
        total += _extras(bound, extras)
    return Money(-(-total // ATTO_PER_PICO))


def output_within(bound: Bound, left: Money, *, input_tokens: int, choices: int = 1) -> int:
    """How many output tokens a choice may have for a call to fit into `left`; below 0: none.

    `input_tokens` as `worst_case` counts them. Free output is not limited: the answer is then
    the largest number that any protocol takes.
    """
    step = _step(bound, input_tokens)
    rest = left.pico * ATTO_PER_PICO - input_tokens * step.input_atto - step.request_atto
    if rest < 0:
        return -1
    return rest // (choices * step.output_atto) if step.output_atto else _ANY


_ANY = 2**31 - 1


def _step(bound: Bound, tokens: int) -> Step:
    for step in bound.steps:
        if step.upto is None or tokens <= step.upto:
            return step
    return bound.steps[-1]


def _extras(bound: Bound, counted: Mapping[str, int]) -> int:
    return sum(
        max(count, bound.minimums.get(unit, 0)) * bound.extras.get(unit, 0)
        for unit, count in counted.items()
        if count > 0
    )
