"""Gemini's embedContent."""

from farthing.providers.gemini_embeddings import GeminiEmbeddings

PROTOCOL = GeminiEmbeddings("gemini_embed", "content")
