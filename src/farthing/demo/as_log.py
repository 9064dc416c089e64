"""Tell the month as an application's own logs would: response bodies, and a plain call log.

Bodies are JSON lines `{"provider", "api_flavor", "time", "body"}`; the CSV says whom a call was
for. Both have the answered calls only, and lines that were shipped twice stand twice in both.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from farthing.demo.world import Attempt, World

_WORDS: Final = "(text not kept)"
_COLUMNS: Final = (
    *("time", "provider", "model", "model_served", "response_id"),
    *("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
    *("latency_ms", "team", "project", "feature", "customer", "environment", "key"),
    *("session_id", "trace_id"),
)


def files(world: World) -> Iterator[tuple[str, bytes]]:
    """Names and contents, to be compressed."""
    yield "logs/bodies.jsonl.gz", b"".join(_body_lines(world))
    yield "logs/calls.csv.gz", _csv(world)


def body(attempt: Attempt) -> dict[str, Any]:
    """What the provider answered, as its API writes it."""
    return _BODIES[attempt.model.provider](attempt)


def _body_lines(world: World) -> Iterator[bytes]:
    for attempt in world.answered:
        record = {
            "provider": attempt.model.provider,
            "api_flavor": _FLAVORS[attempt.model.provider],
            "time": attempt.time,
            "body": body(attempt),
        }
        yield (msgspec.json.encode(record) + b"\n") * attempt.shipped


def _openai(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    message: dict[str, Any] = {
        "role": "assistant",
        "content": _WORDS,
        "refusal": None,
        "annotations": [],
    }
    return {
        "id": attempt.response_id,
        "object": "chat.completion",
        "created": int(attempt.time.timestamp()),
        "model": attempt.model.served,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": usage.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_demo",
    }


def _anthropic(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    return {
        "id": attempt.response_id,
        "type": "message",
        "role": "assistant",
        "model": attempt.model.served,
        "content": [{"type": "text", "text": _WORDS}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage.input_fresh,
            "cache_creation_input_tokens": usage.cache_write_short + usage.cache_write_long,
            "cache_read_input_tokens": usage.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": usage.cache_write_short,
                "ephemeral_1h_input_tokens": usage.cache_write_long,
            },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"thinking_tokens": usage.reasoning},
            "service_tier": "standard",
        },
    }


def _gemini(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    counts = {
        "promptTokenCount": usage.input_tokens,
        "cachedContentTokenCount": usage.cache_read,
        "candidatesTokenCount": usage.output_visible,
        "thoughtsTokenCount": usage.reasoning,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    text = {"modality": "TEXT", "tokenCount": usage.input_tokens}
    content = {"role": "model", "parts": [{"text": _WORDS}]}
    return {
        "responseId": attempt.response_id,
        "modelVersion": attempt.model.served,
        "candidates": [{"index": 0, "content": content, "finishReason": "STOP"}],
        # Gemini leaves out what is nothing.
        "usageMetadata": {
            **{name: count for name, count in counts.items() if count},
            "promptTokensDetails": [text],
        },
    }


_BODIES: Final[Mapping[str, Callable[[Attempt], dict[str, Any]]]] = MappingProxyType(
    {"openai": _openai, "anthropic": _anthropic, "google": _gemini}
)
# As genai-prices names them: one provider may have several shapes of answer.
_FLAVORS: Final = MappingProxyType({"openai": "chat", "anthropic": "default", "google": "default"})


def _csv(world: World) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for attempt in world.answered:
        writer.writerows([_row(attempt)] * attempt.shipped)
    return text.getvalue().encode()


def _row(attempt: Attempt) -> tuple[Any, ...]:
    usage, model = attempt.usage, attempt.model
    return (
        *(attempt.time.isoformat(timespec="milliseconds"), model.provider, model.asked),
        *(model.served, attempt.response_id),
        *(usage.input_tokens, usage.cache_read, usage.cache_write_short),
        *(usage.output_tokens, usage.reasoning, attempt.latency_ms),
        *(attempt.team, attempt.project, attempt.feature, attempt.customer),
        *(attempt.environment, attempt.key, attempt.session_id, attempt.trace_id),
    )
