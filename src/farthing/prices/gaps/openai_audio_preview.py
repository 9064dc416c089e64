"""Audio tokens of gpt-4o-audio-preview and its mini, which the price list bills as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from farthing.prices.gap import NO_KEYS, Asked
from farthing.prices.tariff import Tariff, split
from farthing.prices.units import per_million

FIRST_SNAPSHOT = "gpt-4o-audio-preview-2024-10-01"
CHEAPER = datetime(2024, 12, 17, tzinfo=UTC)  # the snapshot of this day cut audio to 40 and 80
_AUDIO: Mapping[str, tuple[str, str]] = {
    "gpt-4o-audio-preview": ("40", "80"),
    "gpt-4o-mini-audio-preview": ("10", "20"),
}
_AT_FIRST = ("100", "200")


class OpenaiAudioPreview:
    name = "openai_audio_preview"

    def reads(self, asked: Asked) -> Mapping[str, frozenset[str]]:
        return NO_KEYS

    def correct(self, asked: Asked, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
        usd = _AUDIO.get(asked.found.model)
        if usd is None or asked.found.owner != "openai":
            return tariffs
        if asked.found.model != "gpt-4o-audio-preview":
            return tuple(_with_audio(tariff, usd) for tariff in tariffs)
        if asked.model.endswith(FIRST_SNAPSHOT):
            return tuple(_with_audio(tariff, _AT_FIRST) for tariff in tariffs)
        return tuple(
            _with_audio(tariff, _AT_FIRST if tariff.until == CHEAPER else usd)
            for tariff in split(tariffs, CHEAPER)
        )


def _with_audio(tariff: Tariff, usd: tuple[str, str]) -> Tariff:
    if "input_audio_tokens" in tariff.prices:
        return tariff  # the price list has caught up
    audio = {
        "input_audio_tokens": per_million(usd[0]),
        "output_audio_tokens": per_million(usd[1]),
    }
    return msgspec.structs.replace(tariff, prices={**tariff.prices, **audio})
