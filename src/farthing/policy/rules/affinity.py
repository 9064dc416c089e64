"""Keep calls that begin alike where the provider still has their beginning in its cache."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from math import inf, log
from zlib import crc32

from farthing.policy import policy
from farthing.policy.rules.recent import Recent
from farthing.policy.rules.target import Target

MOST_PREFIXES = 10_000
# Providers route by the first few hundred tokens themselves; beyond that beginnings may differ.
PREFIX_BYTES = 4096
_MASK = (1 << 64) - 1
_EVEN: Mapping[str, int] = {}


class _Place:
    """How a beginning ranks the providers of a model, and where its last call went."""

    __slots__ = ("at", "pool", "provider", "ranked")

    def __init__(self, pool: tuple[Target, ...], ranked: tuple[Target, ...]) -> None:
        self.pool, self.ranked = pool, ranked
        self.provider, self.at = "", -inf


class Affinity:
    """Rendezvous hashing over the providers of a model, and where a prefix went last.

    Every beginning ranks all providers by hash, so one that is added or removed moves only the
    calls that it gains or loses (Thaler and Ravishankar, “Using Name-Based Mappings to Increase
    Hit Rates”, 1998). Weights after Schindelhauer and Schomaker, “Weighted Distributed Hash
    Tables”, 2005. A beginning that had to go elsewhere stays there while that cache is warm.
    """

    def __init__(self, knobs: policy.Affinity, weights: Mapping[str, int] = _EVEN) -> None:
        self._on = knobs.mode == "on"
        self._seconds = knobs.minutes * 60
        # Equal weights are none, and the logarithm is saved.
        self._weights = weights if len(set(weights.values())) > 1 else _EVEN
        self._salts: dict[str, int] = {}
        self._places: Recent[tuple[int, str], _Place] = Recent(MOST_PREFIXES)

    def point(self, prefix: bytes, unit: str) -> int:
        """What a call is placed by: its beginning, else its session or id."""
        return crc32(prefix[:PREFIX_BYTES] if self._on and prefix else unit.encode())

    def home(self, pool: tuple[Target, ...], prefix: bytes) -> Target:
        """Where calls that begin so go where the mode is on, and nothing fails."""
        return self._ranked(pool, crc32(prefix[:PREFIX_BYTES]))[0]

    def order(self, pool: tuple[Target, ...], point: int, now: float) -> tuple[Target, ...]:
        """The targets of one model, from the best place for this point on."""
        if len(pool) < 2:  # noqa: PLR2004  # one is no choice
            return pool
        if not self._on:
            return self._ranked(pool, point)
        key = point, pool[0].model
        place = self._places.get(key)
        if place is None:
            place = self._places.put(key, _Place(pool, self._ranked(pool, point)))
        elif place.pool != pool:
            place.pool, place.ranked = pool, self._ranked(pool, point)
        if place.provider and now - place.at <= self._seconds:
            return tuple(sorted(place.ranked, key=lambda target: target.provider != place.provider))
        return place.ranked

    def went(self, point: int, target: Target, now: float) -> None:
        """A call of this point was answered there, and warmed its cache."""
        place = self._places.get((point, target.model))
        if place is not None:  # there was a choice
            place.provider = "" if target == place.ranked[0] else target.provider
            place.at = now

    def _ranked(self, pool: tuple[Target, ...], point: int) -> tuple[Target, ...]:
        distances = [self._distance(point, provider) for provider, _ in pool]
        return tuple([target for _, target in sorted(zip(distances, pool, strict=True))])

    def _distance(self, point: int, provider: str) -> float:
        salt = self._salts.get(provider)
        if salt is None:
            salt = int.from_bytes(sha256(provider.encode()).digest()[:8], "big")
            self._salts[provider] = salt
        number = _mixed(point ^ salt)
        if not self._weights:
            return number
        weight = self._weights.get(provider, 1)
        # In (0, 1): the logarithm of 0 is none. A weight of 0 is the last resort.
        return -log(((number >> 11) + 0.5) / (1 << 53)) / weight if weight else inf


def _mixed(number: int) -> int:
    """Spread 64 bits evenly: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)
