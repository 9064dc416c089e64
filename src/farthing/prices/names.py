"""How logs spell providers and models, and what price lists call them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

# OpenTelemetry gen_ai.system and gen_ai.provider.name (all generations), LiteLLM's
# custom_llm_provider, Langfuse, OpenLLMetry, the vendors' own marketing names.
_SPELLINGS = {
    "anthropic": "anthropic anthropic_text claude",
    "aws": "aws aws.bedrock aws_bedrock bedrock bedrock_converse bedrock_mantle amazon_bedrock "
    "amazon amazon.bedrock bedrock_runtime amazon_nova",
    "azure": "azure az.ai.openai az.ai.inference azure.ai.openai azure.ai.inference azure_openai "
    "azure_ai azure_text azureopenai azure_ai_inference azure_ai_foundry microsoft.foundry "
    "azure_foundry openai_azure microsoft microsoft_azure microsoft_corporation",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare cloudflare_workers_ai workers_ai",
    "cohere": "cohere cohere_chat cohere.ai",
    "databricks": "databricks",
    "deepseek": "deepseek deepseek_ai deep_seek",
    "fireworks": "fireworks fireworks_ai fireworksai",
    "github-copilot": "github_copilot copilot",
    "google": "google gcp.vertex_ai gcp.gemini gcp.gen_ai gcp.vertex.agent vertex_ai vertexai "
    "vertex vertex_ai_beta gemini google_genai google_gla google_vertex google_vertexai "
    "google_ai_studio google.generativeai generativelanguage google_ai gcp",
    "groq": "groq groq_cloud",
    "meta": "meta meta_llama llama_api",
    "minimax": "minimax",
    "mistral": "mistral mistral_ai mistralai codestral text_completion_codestral",
    "moonshotai": "moonshotai moonshot moonshot_ai kimi",
    "novita": "novita novita_ai",
    "openai": "openai openai_chat openai_responses text_completion_openai open_ai",
    "openrouter": "openrouter open_router",
    "ovhcloud": "ovhcloud ovh",
    "perplexity": "perplexity perplexity_ai pplx",
    "together": "together together_ai togetherai together.ai",
    "voyageai": "voyageai voyage voyage_ai",
    "x-ai": "x_ai xai x.ai grok",
    "zai": "zai z.ai z_ai",
    "zhipuai": "zhipuai zhipu zhipu_ai bigmodel",
}
ALIASES: Mapping[str, str] = MappingProxyType(
    {name: ours for ours, names in _SPELLINGS.items() for name in names.split()}
)
# Said of calls whose provider is in the model's prefix, or nowhere.
NO_PROVIDER = frozenset({"", "litellm", "litellm_proxy", "_other", "unknown", "custom"})

_BEDROCK_GEOGRAPHY = re.compile(r"(?:.*/)?(global|us|us-gov|eu|apac|au|jp|ca|in|sa|me|af)\.(.+)")
_BEDROCK_ID = re.compile(
    r"(?:(?:global|us|us-gov|eu|apac|au|jp|ca|in|sa|me|af)\.)?"
    r"(?:anthropic|amazon|meta|mistral|cohere|ai21|deepseek|openai|qwen|writer|stability|minimax"
    r"|moonshot|moonshotai|nvidia|google|zai|twelvelabs|luma)\.[a-z]"
)


def provider_of(name: str) -> str:
    """A provider's id as price lists have it, or the name itself in lower case."""
    plain = name.strip().lower()
    return ALIASES.get(plain.replace("-", "_").replace(" ", "_"), plain)


def looks_like_bedrock(model: str) -> bool:
    """Whether a reference is in Bedrock's own form, `us.anthropic.claude-…`."""
    return _BEDROCK_ID.match(model) is not None


def bedrock_geography(model: str) -> str | None:
    """The prefix of a cross-region inference profile: `us`, `eu`, `global` …"""
    profile = _BEDROCK_GEOGRAPHY.fullmatch(model.lower())
    return profile[1] if profile else None


def spellings(provider: str | None, model: str) -> Iterator[tuple[str | None, str]]:
    """Ways to read a model reference, the most literal first, with the provider each implies.

    `openai/gpt-4o`, `bedrock/us-east-1/anthropic.claude-…`, `arn:aws:bedrock:…/us.anthropic…`,
    `publishers/google/models/gemini-…`, `models/gemini-…`.
    """
    ref = model.strip()
    provider = provider or _implied(ref.lower())
    head, slash, rest = ref.partition("/")
    named = ALIASES.get(head.lower().replace("-", "_")) if slash else None
    if provider is None:
        if named:
            yield from spellings(named, rest)
        yield None, ref
        return
    yield provider, ref
    if named == provider:
        yield provider, rest
    if slash:
        yield provider, ref.rpartition("/")[2]
    profile = _BEDROCK_GEOGRAPHY.fullmatch(ref.lower()) if provider == "aws" else None
    if profile:  # a geography without a row of its own: see gaps/bedrock_region.py
        yield provider, f"global.{profile[2]}"


def _implied(ref: str) -> str | None:
    return "aws" if ref.startswith("arn:aws:bedrock") or looks_like_bedrock(ref) else None
