"""Whether one answer may be given to more than one call."""

from __future__ import annotations

import msgspec

from farthing.policy.policy import Answering
from farthing.policy.rules.match import Facts, filter_of


class Use(msgspec.Struct, frozen=True):
    """What may be done with answers for one call, and the word for it.

    `serve`: give a kept one. `keep`: let later calls have this one. `count`: note what serving
    would have saved, without doing so.
    """

    word: str  # on | shadow | bypass | off
    serve: bool = False
    keep: bool = False
    count: bool = False


ON = Use("on", serve=True, keep=True)
RENEW = Use("on", keep=True)
TAKE = Use("on", serve=True)
SHADOW = Use("shadow", count=True)
BYPASS = Use("bypass")  # the caller wants none
OFF = Use("off")  # the policy wants none

WISHES = {b"off": BYPASS, b"bypass": BYPASS, b"refresh": RENEW, b"no-store": TAKE}


class Answers:
    """`mode` and `where` of `[cache]` or `[coalesce]`, made ready."""

    __slots__ = ("_otherwise", "_repeatable", "_test")

    def __init__(self, mode: Answering, where: str) -> None:
        self._test = filter_of(where)
        self._repeatable = {"shadow": SHADOW, "off": OFF}.get(mode, ON)
        self._otherwise = SHADOW if mode == "deterministic" else self._repeatable

    def use(self, facts: Facts, *, repeatable: bool) -> Use:
        """`repeatable`: equal calls have one right answer, or the caller says so."""
        if self._test is not None and not self._test(facts):
            return OFF
        return self._repeatable if repeatable else self._otherwise


def asked(wish: bytes, cache_control: bytes) -> Use | None:
    """What the caller's own headers ask for; None where they say nothing of it.

    `wish` is x-farthing-cache. In cache-control, `no-cache` means a fresh answer and `no-store`
    that this one is not kept (RFC 9111 §5.2.1); the first header wins.
    """
    if wish and (found := WISHES.get(wish.strip().lower())):
        return found
    if not cache_control:
        return None
    words = {word.strip() for word in cache_control.lower().split(b",")}
    fresh = not words.isdisjoint((b"no-cache", b"max-age=0"))
    if b"no-store" in words:
        return BYPASS if fresh else TAKE
    return RENEW if fresh else None
