"""The seam for the protocols that callers speak. One protocol, one file in `protocols/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol as Seam

import msgspec

from farthing.domain.usage import Usage
from farthing.providers.reading import Reading

NO_LABELS: Mapping[str, str] = {}
NO_EXTRAS: Mapping[str, int] = {}


class Turns(msgspec.Struct, frozen=True):
    """What the loop guard counts in a request."""

    messages: int = 0
    tool_results: int = 0  # of them, results of tools …
    tool_errors: int = 0  # … and those that say they failed


def no_turns() -> Turns:
    return Turns()


class Ask(msgspec.Struct, kw_only=True, gc=False):
    """What a request asks for, as far as price, budget, cache and route care.

    `windows` > 0: the input is not all in the body (a stored response, a file, a URL, inline
    media), or a server tool runs several rounds: hold for so many context windows in place of
    the body's bytes. `unbounded` says why no bound can be given at all; hard budgets refuse it.
    """

    protocol: str
    operation: str | None  # OpenTelemetry gen_ai.operation.name; None: costs nothing
    model: str
    stream: bool = False
    has_output: bool = True  # embeddings have none
    output_cap: int | None = None  # tokens for each choice; None: up to the model
    output_floor: int = 0  # the cap may not be clamped below: Anthropic's thinking budget
    extra_output: int = 0  # tokens billed as output beyond the cap: a prediction's rejected ones
    choices: int = 1
    deterministic: bool = False  # temperature 0, or an embedding
    windows: int = 0
    unbounded: str | None = None  # background, server_tool …
    extras: Mapping[str, int] = NO_EXTRAS  # the most of each unit billed beside tokens
    service_tier: str | None = None  # as asked; None: the account decides
    context: Mapping[str, str] = NO_LABELS  # what else changes the price: speed, inference_geo
    usage_asked: bool = True  # the stream's usage event was asked for, or always comes
    user: str | None = None
    metadata: Mapping[str, str] = NO_LABELS
    # These two read the conversation: call them only where they are wanted.
    prefix: Callable[[], bytes] = bytes  # what a prompt cache goes by: tools, system, first message
    turns: Callable[[], Turns] = no_turns
    rewrite: bool = False  # a field may be there twice: send what `change` makes of it, not this


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy, a budget or the meter changes in a body; everything else stays."""

    model: str | None = None
    output_cap: int | None = None  # lower than asked
    cap_field: str = "max_completion_tokens"  # where chat's cap goes if none is there (kinds.py)
    include_usage: bool = False  # ask for the usage event of a stream
    service_tier: str | None = None  # where the caller asks for none
    rewrite: bool = False  # each field once, as the request was read


class Place(msgspec.Struct, frozen=True):
    """Where a protocol of another package is found: its attribute `place`. Ours are in tables.

    `at`: where callers post it. `speaks`: by the kind of a provider, the path under its base URL.
    """

    at: tuple[str, ...]
    speaks: Mapping[str, str]


NOWHERE = Place(at=(), speaks={})


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call got no answer of a provider, in words for its caller."""

    status: int  # HTTP
    code: str  # stable: budget_exhausted, invalid_key, model_not_found …
    message: str  # with the next step
    retry: bool = False  # whether trying the same again may help


class Meter(Seam):
    """Reads one answer as it passes. Made anew for each answer."""

    @property
    def complete(self) -> bool:
        """The terminal event, or a whole body, was seen."""
        ...

    @property
    def flags(self) -> tuple[str, ...]:
        """What was wrong: garbled_stream, garbled_usage, stream_error, overlong_answer."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of a successful answer; give what the caller is to get of them.

        `b""` is the end of the body, however it came: gives what was held back.
        """
        ...

    def reading(self) -> Reading | None:
        """What the answer said of its usage so far; None: nothing. Never raises.

        A usage block that cannot be read counts as nothing, see `flags`.
        """
        ...

    def seen(self) -> Usage:
        """What passed of an answer that broke off: what it said, else 4 bytes of text a token.

        The input is 0 where the answer did not say it, that is where `reading` is None.
        """
        ...

    def broken(self, refusal: Refusal) -> bytes:
        """The event that ends a stream after its first bytes, in the protocol's own form."""
        ...


class Protocol(Seam):
    name: str

    def read(self, body: bytes, model: str | None, *, stream: bool) -> Ask:
        """Read a request. `model` and `stream` are what the path said, where it says so (Gemini).

        Raises BadInput where the body is no JSON object, or a field that matters here has a type
        that the protocol does not know. Unknown fields are none of our business.
        """
        ...

    def change(self, body: bytes, change: Change) -> bytes:
        """The body with that changed and every other byte as it was, where possible."""
        ...

    def meter(self, ask: Ask, *, strip_usage: bool, provider: str | None = None) -> Meter:
        """For an answer to `ask`. `strip_usage`: the usage event was our wish, not the caller's.

        `provider` is whose prices apply: some count in their own way.
        """
        ...

    def refusal(self, refusal: Refusal) -> bytes:
        """A JSON error body in the protocol's own shape."""
        ...


def place_of(protocol: Protocol) -> Place:
    place = getattr(protocol, "place", NOWHERE)
    return place if isinstance(place, Place) else NOWHERE
