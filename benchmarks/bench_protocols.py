"""What reading a request, asking for usage and metering an answer cost, in microseconds of CPU."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from farthing.providers.paths import find
from farthing.providers.protocol import Ask, Change

ROUNDS = 7

TALK = [
    {"role": "system", "content": "You are a helpful assistant that answers briefly and well."},
    {"role": "user", "content": "What is the capital of France? One word, please."},
]
PARTS = [{"role": "user", "parts": [{"text": turn["content"]} for turn in TALK]}]
ASKED = {
    "openai_chat": {"model": "gpt-5-mini", "messages": TALK, "max_tokens": 100, "stream": True},
    "openai_responses": {"model": "gpt-5-mini", "input": TALK, "max_output_tokens": 100},
    "anthropic_messages": {"model": "claude", "messages": TALK[1:], "max_tokens": 100},
    "gemini_generate": {"contents": PARTS, "generationConfig": {"maxOutputTokens": 100}},
    "openai_embeddings": {"model": "text-embedding-3-small", "input": [TALK[0]["content"]] * 3},
}
DELTAS = {
    "openai_chat": b'data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694,'
    b'"model":"gpt-5-mini","service_tier":"default","system_fingerprint":"fp_44709d6fcb",'
    b'"choices":[{"index":0,"delta":{"content":" Hello"},"logprobs":null,"finish_reason":null}],'
    b'"usage":null}\n\n',
    "openai_responses": b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1",'
    b'"output_index":0,"content_index":0,"delta":" Hello","logprobs":[],"obfuscation":"a"}\n\n',
    "anthropic_messages": b'event: content_block_delta\ndata: {"type":"content_block_delta",'
    b'"index":0,"delta":{"type":"text_delta","text":" Hello"}}\n\n',
    "gemini_generate": b'data: {"candidates":[{"content":{"parts":[{"text":" Hello"}],'
    b'"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":8,"totalTokenCount":8},'
    b'"modelVersion":"gemini-3-flash","responseId":"r1"}\n\n',
}
WHOLE = {
    "openai_chat": {
        "id": "chatcmpl-123",
        "model": "gpt-5-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}}],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
    },
    "openai_responses": {
        "id": "resp_1",
        "model": "gpt-5-mini",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Paris"}]}],
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    },
    "anthropic_messages": {
        "id": "msg_1",
        "type": "message",
        "model": "claude",
        "content": [{"type": "text", "text": "Paris"}],
        "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0},
    },
    "gemini_generate": {
        "candidates": [{"content": {"parts": [{"text": "Paris"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5},
        "modelVersion": "gemini-3-flash",
    },
    "openai_embeddings": {
        "model": "text-embedding-3-small",
        "data": [{"index": 0, "embedding": [0.125] * 256}],
        "usage": {"prompt_tokens": 10, "total_tokens": 10},
    },
}


def main() -> None:
    say("find a path", lambda: find("POST", "/v1/chat/completions"))
    for name, fields in ASKED.items():
        measure(name, json.dumps(fields, separators=(",", ":")).encode())
    print("\nopenai_chat, a megabyte of")
    large("plain text", [{"role": "user", "content": "a plain sentence, " * 55_000}])
    large("escapes", [{"role": "user", "content": 'é\n"' * 90_000}])
    large("short turns", TALK[1:] * 12_000)


def measure(name: str, body: bytes) -> None:
    protocol = import_module(f"farthing.providers.protocols.{name}").PROTOCOL
    print(f"\n{name}, {len(body)} bytes")
    ask = protocol.read(body, "m", stream=False)
    say("read", lambda: protocol.read(body, "m", stream=False))
    say("change the model", lambda: protocol.change(body, Change(model="b")))
    if name == "openai_chat":
        usage = Change(include_usage=True)
        say("ask for usage", lambda: protocol.change(body, usage))
    answer = json.dumps(WHOLE[name], separators=(",", ":")).encode()
    say("meter a whole answer", lambda: metered(protocol, ask, answer))
    if name in DELTAS:
        meter, delta = protocol.meter(ask, strip_usage=True), DELTAS[name]
        say("feed one delta", lambda: meter.feed(delta))
        say("feed 20 in a chunk", lambda: meter.feed(delta * 20))


def large(what: str, messages: list[dict[str, str]]) -> None:
    protocol = import_module("farthing.providers.protocols.openai_chat").PROTOCOL
    body = json.dumps({"model": "m", "messages": messages}).encode()
    say(f"{what} ({len(body):,} bytes)", lambda: protocol.read(body, None, stream=False))


def say(what: str, once: Callable[[], object]) -> None:
    print(f"  {what:28}{cost(once):9.2f} µs", flush=True)


def metered(protocol: Any, ask: Ask, answer: bytes) -> tuple[object, ...]:
    meter = protocol.meter(ask, strip_usage=False)
    meter.feed(answer)
    meter.feed(b"")
    return meter.complete, meter.reading(), meter.flags


def cost(what: Callable[[], object], least: float = 0.02) -> float:
    """Microseconds of the quickest of some rounds: other work on the machine only adds."""
    times = 1
    while (spent := timed(what, times)) < least:
        times = max(times * 2, int(times * least / max(spent, 1e-6)))
    return min(timed(what, times) for _ in range(ROUNDS)) / times * 1e6


def timed(what: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        what()
    return time.process_time() - began


if __name__ == "__main__":
    main()
