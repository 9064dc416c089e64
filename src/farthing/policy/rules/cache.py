"""Which calls are equal, and which of them are answered from memory."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha512
from typing import Final

import msgspec

from farthing.policy.policy import Cache
from farthing.policy.rules.answers import BYPASS, ON, SHADOW, Answers, Use, asked
from farthing.policy.rules.match import Facts

# Fields that reach neither the model nor the answer: who asks, and how it is booked. All others
# count, known or not: `stream` since a stream is replayed as one, `store` since the answer's id
# must be one that can be asked for later, `service_tier` since the answer names it. The responses
# protocol has none: its answers repeat `user`, `metadata` and the rest to the caller.
SILENT: Final = {
    "openai_chat": ("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    "openai_embeddings": ("user",),
    "anthropic": ("metadata",),
}
# What a key is for: to find an answer, or to open one that lies sealed on a disk.
_MARK: Final = b"farthing-cache-1"
_TELLING: Final = frozenset((b"anthropic-version", b"anthropic-beta", b"openai-beta"))
_SIMULATED: Final = b"x-sim-"  # how the simulator is told what to answer

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


class Caching:
    """`[cache]`, made ready."""

    __slots__ = ("_answers", "_most_bytes", "ttl")

    def __init__(self, knobs: Cache) -> None:
        self._answers = Answers(knobs.mode, knobs.where)
        self._most_bytes = knobs.max_entry_kb * 1024
        self.ttl = int(knobs.ttl)  # seconds

    def decide(
        self, facts: Facts, *, deterministic: bool, wish: bytes = b"", cache_control: bytes = b""
    ) -> Use:
        """What to do for one call. `wish` is its x-farthing-cache header.

        An explicit idempotency key makes no call deterministic here: its answer is replayed to
        the same key, for as long as `[idempotency]` says, and to nobody else.
        """
        use = self._answers.use(facts, repeatable=deterministic)
        if not (wish or cache_control) or (use is not ON and use is not SHADOW):
            return use
        said = asked(wish, cache_control)
        if said is None:
            return use
        return said if use is ON else BYPASS

    def admits(self, size: int) -> bool:
        """Whether an answer of so many bytes is small enough to be kept."""
        return size <= self._most_bytes


def is_telling(header: bytes) -> bool:
    """Whether a request's header (in lower case) changes its answer, so counts in the key."""
    return header in _TELLING or header.startswith(_SIMULATED)


def cache_keys(
    tenant: str,
    protocol: str,
    target: str,
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> tuple[bytes, bytes]:
    """32 bytes that two calls share exactly if any answer to one is an answer to the other.

    And 32 more of the same calls, which nobody can tell from the first: to seal answers with.
    Never equal across tenants. `target` is what was asked of whom: the path with its query, and
    the model or upstream where it is not in the body. `headers` are only the telling ones.
    The order of a body's fields and its white space do not count; of a field that is there twice
    the last one does, as for every JSON reader that providers use. sha512, in
    halves: nobody can make two bodies collide.
    """
    whose, how, what = tenant.encode(), protocol.encode(), target.encode()
    asked = _canonical(protocol, body)
    sizes = b"%b %d %d %d %d\n" % (_MARK, len(whose), len(how), len(what), len(asked))
    parts = [sizes, whose, how, what, asked]
    for name, value in sorted(headers) if headers else ():
        parts.append(b"%d:%b%d:%b" % (len(name), name, len(value), value))
    digest = sha512(b"".join(parts)).digest()
    return digest[:32], digest[32:]


def _canonical(protocol: str, body: bytes) -> bytes:
    try:
        fields = _decode(body)
    except (msgspec.DecodeError, RecursionError):  # no JSON, or nested too deeply to be looked at
        return body
    if type(fields) is not dict:
        return body
    for name in SILENT.get(protocol, ()):
        fields.pop(name, None)
    # A stored completion is looked up by its metadata later; else it is a label for the books.
    if protocol == "openai_chat" and not fields.get("store"):
        fields.pop("metadata", None)
    return _encode(fields)
