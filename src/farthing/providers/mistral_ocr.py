"""Mistral's OCR, billed by the page."""

from __future__ import annotations

from farthing.domain.usage import Usage
from farthing.providers.reading import Body, Reading, block, counted, named


def read(body: Body, provider: str | None) -> Reading:
    pages = block(body, "usage_info").required("pages_processed")
    return _reading(body, provider, counted(input_document_pages=pages))


def read_annotated(body: Body, provider: str | None) -> Reading:
    """With annotations, which only the request asks for: every page costs both."""
    pages = block(body, "usage_info").required("pages_processed")
    units = counted(input_document_pages=pages, input_annotated_document_pages=pages)
    return _reading(body, provider, units)


def _reading(body: Body, provider: str | None, details: dict[str, int]) -> Reading:
    model = named(body, "model")
    return Reading(usage=Usage(details=details), provider=provider or "mistral", model=model)
