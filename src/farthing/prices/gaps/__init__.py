"""Where genai-prices is known to fall short, one file each, and what providers really charge."""

from __future__ import annotations

from farthing.prices.gap import Gap
from farthing.prices.gaps.anthropic_us_inference import AnthropicUsInference
from farthing.prices.gaps.azure_data_zone import AzureDataZone
from farthing.prices.gaps.batch_history import BatchHistory
from farthing.prices.gaps.bedrock_region import BedrockRegion
from farthing.prices.gaps.deepseek_hours import DeepseekHours
from farthing.prices.gaps.deepseek_names import DeepseekNames
from farthing.prices.gaps.openai_audio_preview import OpenaiAudioPreview
from farthing.prices.gaps.openai_long_cache_writes import OpenaiLongCacheWrites

# In this order: what adds a price before what scales all of them.
GAPS: tuple[Gap, ...] = (
    BatchHistory(),
    OpenaiAudioPreview(),
    OpenaiLongCacheWrites(),
    DeepseekNames(),
    DeepseekHours(),
    BedrockRegion(),
    AzureDataZone(),
    AnthropicUsInference(),
)
