"""One name for a provider, however a source spells it: the ids of genai-prices."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

# What OpenTelemetry (gen_ai.provider.name, gen_ai.system), OpenInference (llm.system,
# llm.provider), LiteLLM (custom_llm_provider) and LangChain (ls_provider) write.
_SPELLINGS: Final = MappingProxyType(
    {
        "anthropic": ("claude",),
        "aws": (
            *("aws.bedrock", "aws_bedrock", "bedrock", "bedrock_converse", "amazon_bedrock"),
            *("amazon", "aws.sagemaker", "sagemaker", "sagemaker_chat"),
        ),
        "azure": (
            *("azure.ai.openai", "azure.ai.inference", "az.ai.openai", "az.ai.inference"),
            *("azure_openai", "azure-openai", "azure_ai", "azure_text", "azureopenai"),
        ),
        "cloudflare": ("workers-ai", "cloudflare_workers_ai"),
        "cohere": ("cohere_chat",),
        "databricks": ("databricks-model-serving",),
        "deepseek": (),
        "fireworks": ("fireworks_ai", "fireworks-ai"),
        "google": (
            *("gcp.gemini", "gcp.gen_ai", "gcp.vertex_ai", "gemini", "vertex_ai", "vertexai"),
            *("vertex_ai_beta", "google_genai", "google_vertexai", "google-gla", "google-vertex"),
            *("google_ai_studio", "palm"),
        ),
        "groq": (),
        "mistral": ("mistral_ai", "mistralai"),
        "moonshotai": ("moonshot",),
        "openai": ("text-completion-openai", "openai_chat"),
        "openrouter": (),
        "perplexity": ("perplexity_ai",),
        "together": ("together_ai", "together-ai", "togetherai"),
        "voyageai": ("voyage",),
        "x-ai": ("xai", "x_ai"),
        "zai": ("z.ai", "z-ai"),
    }
)
_NAMES: Final = MappingProxyType(
    {spelling: name for name, others in _SPELLINGS.items() for spelling in (name, *others)}
)


def provider_name(said: Any) -> str | None:
    """The canonical name; an unknown one in lower case as it was said; None for nothing said."""
    if not isinstance(said, str) or not said.strip():
        return None
    plain = said.strip().lower()
    return _NAMES.get(plain) or _NAMES.get(plain.split(".", 1)[0]) or plain
