"""Gemini's batchEmbedContents, which its SDK calls even for one content."""

from farthing.providers.gemini_embeddings import GeminiEmbeddings

PROTOCOL = GeminiEmbeddings("gemini_embed_batch", "requests")
