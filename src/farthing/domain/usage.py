"""What a call consumed, counted in disjoint billable buckets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

NO_DETAILS: Mapping[str, int] = MappingProxyType({})

BUCKETS = (
    "input_fresh",
    "cache_read",
    "cache_write_short",
    "cache_write_long",
    "output_visible",
    "reasoning",
)
INPUT_BUCKETS = BUCKETS[:4]
OUTPUT_BUCKETS = BUCKETS[4:]


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens in six buckets that never overlap and add up to the provider's totals.

    `details` says more about the same tokens, or counts what is not a token. Its keys are the
    unit names of genai-prices: a modality's part of a bucket (`input_audio_tokens`,
    `cache_audio_read_tokens`, `output_image_tokens`: already inside the buckets, never added)
    or an extra (`web_searches`, `audio_seconds`, `requests`).

    A negative bucket is possible: the provider reported overlapping counts. It is kept as
    reported and the row is flagged `suspect`.
    """

    input_fresh: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output_visible: int = 0
    reasoning: int = 0
    details: Mapping[str, int] = NO_DETAILS

    @property
    def input_tokens(self) -> int:
        return self.input_fresh + self.cache_read + self.cache_write_short + self.cache_write_long

    @property
    def output_tokens(self) -> int:
        return self.output_visible + self.reasoning

    @property
    def suspect(self) -> bool:
        """Whether a bucket would be negative: the reported counts overlap."""
        return any(getattr(self, bucket) < 0 for bucket in BUCKETS)

    @classmethod
    def from_totals(  # noqa: PLR0913  one argument per figure that providers report
        cls,
        *,
        input_total: int,
        output_total: int,
        cache_read: int = 0,
        cache_write_short: int = 0,
        cache_write_long: int = 0,
        reasoning: int = 0,
        details: Mapping[str, int] = NO_DETAILS,
    ) -> Usage:
        """From totals that include their parts (OpenAI, Gemini, OpenTelemetry)."""
        return cls(
            input_total - cache_read - cache_write_short - cache_write_long,
            cache_read,
            cache_write_short,
            cache_write_long,
            output_total - reasoning,
            reasoning,
            details,
        )

    def __add__(self, other: Usage) -> Usage:
        units = {*self.details, *other.details}
        details = {unit: self.details.get(unit, 0) + other.details.get(unit, 0) for unit in units}
        counts = {bucket: getattr(self, bucket) + getattr(other, bucket) for bucket in BUCKETS}
        return Usage(**counts, details=details or NO_DETAILS)
