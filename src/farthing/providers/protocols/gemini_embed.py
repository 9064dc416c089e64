"""Gemini's embedContent."""

from farthing.providers.gemini_embeddings import GeminiEmbeddings
from farthing.providers.protocol import Protocol

PROTOCOL: Protocol = GeminiEmbeddings("gemini_embed", "content")
