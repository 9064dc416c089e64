"""Gemini's batchEmbedContents, which its SDK calls even for one content."""

from farthing.providers.gemini_embeddings import GeminiEmbeddings
from farthing.providers.protocol import Protocol

PROTOCOL: Protocol = GeminiEmbeddings("gemini_embed_batch", "requests")
