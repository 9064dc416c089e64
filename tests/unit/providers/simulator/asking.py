"""Short ways to ask the simulator in tests, in all its protocols."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from farthing.providers.reading import Reading
from farthing.providers.simulator.script import Script
from farthing.providers.simulator.settings import Settings
from farthing.providers.simulator.simulator import Simulator
from farthing.providers.transport.wire import Request
from farthing.providers.usage import read_body

COMPLETIONS = "/v1/completions"
CHAT, RESPONSES, EMBEDDINGS = "/v1/chat/completions", "/v1/responses", "/v1/embeddings"
MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
TALKS = ("chat", "responses", "messages", "gemini")
FLAVORS = {"chat": "chat", "responses": "responses", "messages": "anthropic", "gemini": "gemini"}


def simulator(now=None, **settings) -> Simulator:
    clock = (lambda: now[0]) if now else (lambda: 1_800_000_000.0)
    return Simulator(Settings(**settings), clock=clock, entropy=lambda: "test")


def gemini(verb: str, model: str = "sim-small") -> str:
    return f"/v1beta/models/{model}:{verb}"


def post(path: str, body: Any, headers: dict[str, str] | None = None) -> Request:
    told = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(b"POST", path.encode(), [(b"content-type", b"application/json"), *told], text)


def get(path: str, headers: dict[str, str] | None = None) -> Request:
    told = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request(b"GET", path.encode(), told, b"")


def body_of(script: Script) -> Any:
    return json.loads(b"".join(script.chunks))


def events_of(script: Script) -> list[Any]:
    """The data of a stream's events; chat's [DONE] is left out."""
    return list(_events(b"".join(script.chunks)))


def _events(text: bytes) -> Iterator[Any]:
    for event in text.split(b"\n\n"):
        for line in event.split(b"\n"):
            if line.startswith(b"data: ") and line != b"data: [DONE]":
                yield json.loads(line[len(b"data: ") :])


def question(
    protocol: str,
    text: str = "What is a farthing?",
    *,
    model: str = "sim-small",
    stream: bool = False,
    cap: int | None = None,
    effort: str | None = None,
) -> Request:
    """The same question in each protocol."""
    made = {"chat": _chat, "responses": _responses, "messages": _messages, "gemini": _gemini}
    return made[protocol](text, model, stream, cap, effort)


def with_headers(request: Request, **headers: object) -> Request:
    told = [(f"x-sim-{n.replace('_', '-')}".encode(), str(v).encode()) for n, v in headers.items()]
    return Request(request.method, request.target, [*request.headers, *told], request.body)


def _chat(text, model, stream, cap, effort):
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    return post(CHAT, body | _said(max_completion_tokens=cap, reasoning_effort=effort))


def _responses(text, model, stream, cap, effort):
    reasoning = {"effort": effort} if effort else None
    body = {"model": model, "input": text, "stream": stream}
    return post(RESPONSES, body | _said(max_output_tokens=cap, reasoning=reasoning))


def _messages(text, model, stream, cap, effort):
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    thinking = {"type": "adaptive"} if effort else None
    output = {"effort": effort} if effort else None
    given = _said(max_tokens=cap or 16_384, thinking=thinking, output_config=output)
    return post(MESSAGES, body | given)


def _gemini(text, model, stream, cap, effort):
    thinking = {"thinkingLevel": effort.upper(), "includeThoughts": True} if effort else None
    body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    body["generationConfig"] = _said(maxOutputTokens=cap, thinkingConfig=thinking)
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return post(gemini(verb, model), body)


def _said(**fields):
    return {name: value for name, value in fields.items() if value is not None}


def reading(protocol: str, script: Script) -> Reading:
    """What our own reader makes of the answer's usage, whole or streamed."""
    if not script.streamed:
        return read_body(body_of(script), None, FLAVORS[protocol])
    events = events_of(script)
    if protocol == "messages":  # the first event has the split, the last one the output
        started = events[0]["message"]
        last = next(event for event in events if event["type"] == "message_delta")
        return read_body({**started, "usage": started["usage"] | last["usage"]}, None, "anthropic")
    return read_body(events[-1], None, FLAVORS[protocol])


def text_of(protocol: str, script: Script) -> str:
    """What was said, without thoughts."""
    return "".join(_texts(protocol, script))


def _texts(protocol: str, script: Script) -> Iterator[str]:
    if script.streamed:
        yield from filter(None, (_STREAMED[protocol](event) for event in events_of(script)))
        return
    body = body_of(script)
    match protocol:
        case "chat":
            yield from (choice["message"]["content"] for choice in body["choices"])
        case "responses":
            parts = [item for item in body["output"] if item["type"] == "message"]
            yield from (part["text"] for item in parts for part in item["content"])
        case "messages":
            yield from (part["text"] for part in body["content"] if part["type"] == "text")
        case "gemini":
            yield _gemini_text(body)


def _gemini_text(event) -> str:
    parts = [part for each in event["candidates"] for part in each["content"]["parts"]]
    return "".join(part["text"] for part in parts if not part.get("thought"))


_STREAMED = {
    "chat": lambda event: "".join(c["delta"].get("content") or "" for c in event["choices"]),
    "responses": lambda event: event.get("delta"),
    "messages": lambda event: event.get("delta", {}).get("text"),
    "gemini": _gemini_text,
}
