"""OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from farthing.domain.usage import Usage
from farthing.prices.sources.simulator import FLEX
from farthing.providers.simulator.asked import (
    EFFORTS,
    Asked,
    Tool,
    cap_of,
    choices_of,
    model_of,
    prompt_of,
    tool_to_call,
)
from farthing.providers.simulator.caching import LONG, SHORT
from farthing.providers.simulator.face import HOLE, Called, decode, event, filled, frame
from farthing.providers.simulator.faces import openai_errors
from farthing.providers.simulator.reply import Reply
from farthing.providers.simulator.script import Declined
from farthing.providers.simulator.words import pieces

FINGERPRINT = "simulated"
_DONE = b"data: [DONE]\n\n"


class _Options(msgspec.Struct):
    include_usage: bool | None = None


class _Schema(msgspec.Struct):
    schema: Any = None


class _Format(msgspec.Struct):
    type: str = "text"
    json_schema: _Schema | None = None


class _Function(msgspec.Struct):
    name: str
    parameters: Any = None


class _Tool(msgspec.Struct):
    type: str
    function: _Function | None = None


class _Request(msgspec.Struct, gc=False):
    model: str | None = None
    messages: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    tool_choice: msgspec.Raw = msgspec.Raw()
    response_format: _Format | None = None
    stream: bool | None = None
    stream_options: _Options | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None


class _Call(msgspec.Struct):
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: str
    tool_calls: list[_Call] | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_MESSAGES = msgspec.json.Decoder(list[_Message])
_TOOLS = msgspec.json.Decoder(list[_Tool] | None)
_ANY = msgspec.json.Decoder()


class Chat:
    def read(self, body: bytes, called: Called) -> Asked:
        told = decode(body, _REQUEST)
        model = model_of(told.model)
        messages = decode(told.messages or b"[]", _MESSAGES, "messages")
        if not messages:
            what = "The messages are missing, or there are none."
            raise Declined(400, "missing_required_parameter", what, "messages")
        caps = (
            cap_of(model, told.max_tokens, "max_tokens"),
            cap_of(model, told.max_completion_tokens, "max_completion_tokens"),
        )
        return Asked(
            model=model,
            prompt=prompt_of(model, told.tools, told.messages),
            stream=bool(told.stream),
            cap=min((cap for cap in caps if cap), default=None),
            choices=choices_of(told.n, "n"),
            seed=told.seed,
            effort=EFFORTS.get(told.reasoning_effort or "none", 0.0),
            tool=_tool(told, messages) if told.tools else None,
            schema=_schema(told.response_format),
            lifetime=LONG if told.prompt_cache_retention == "24h" else SHORT,
            tier=FLEX if told.service_tier == FLEX else "default",
            usage_wanted=bool(told.stream_options and told.stream_options.include_usage),
        )

    def whole(self, reply: Reply) -> tuple[str, bytes]:
        reason = _reason(reply)
        choices = [
            {
                "index": index,
                "message": _message(reply, text, index),
                "logprobs": None,
                "finish_reason": reason,
            }
            for index, text in enumerate(reply.texts)
        ]
        told = {**_head(reply, "chat.completion"), "choices": choices, "usage": usage(reply.usage)}
        return told["id"], msgspec.json.encode(told)

    def stream(self, reply: Reply) -> tuple[str, list[bytes]]:
        head = _head(reply, "chat.completion.chunk")
        if reply.asked.usage_wanted:
            head["usage"] = None
        events = [
            each
            for index, text in enumerate(reply.texts)
            for each in _choice(reply, head, index, text)
        ]
        if reply.asked.usage_wanted:
            events.append(event({**head, "choices": [], "usage": usage(reply.usage)}))
        return head["id"], [*events, _DONE]

    def error(self, declined: Declined, request_id: str) -> bytes:
        return openai_errors.error(declined, request_id)


FACE = Chat()


def usage(used: Usage) -> dict[str, Any]:
    """Totals with their parts inside. Source: openai.types.CompletionUsage."""
    prompt: dict[str, Any] = {"cached_tokens": used.cache_read, "audio_tokens": 0}
    if written := used.cache_write_short + used.cache_write_long:
        prompt["cache_write_tokens"] = written
        prompt["cache_write_tokens_details"] = {
            "ttl_30m_tokens": used.cache_write_short,
            "ttl_12h_tokens": used.cache_write_long,
        }
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": used.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def json_shape(kind: str, schema: Any) -> Any:
    """What a text must be by the format that was asked for; None: prose."""
    if kind == "json_schema":
        return {} if schema is None else schema
    return {"const": {"simulated": True}} if kind == "json_object" else None


def choice_of(told: msgspec.Raw) -> str:
    """OpenAI's tool_choice as `none`, `auto`, `required` or a function's name."""
    match decode(told, _ANY) if told else None:
        case str() as mode:
            return mode
        case {"function": {"name": str() as name}} | {"name": str() as name}:
            return name
    return "auto"


def _tool(told: _Request, messages: list[_Message]) -> Tool | None:
    offered = decode(told.tools, _TOOLS, "tools") or []
    tools = [
        Tool(each.function.name, each.function.parameters) for each in offered if each.function
    ]
    calls = [call for message in messages for call in message.tool_calls or ()]
    called = {call.function.name for call in calls if call.function}
    answered = messages[-1].role == "tool"
    return tool_to_call(tools, choice_of(told.tool_choice), called, answered=answered)


def _schema(told: _Format | None) -> Any:
    if told is None:
        return None
    return json_shape(told.type, told.json_schema.schema if told.json_schema else None)


def _reason(reply: Reply) -> str:
    if reply.cut:
        return "length"
    return "tool_calls" if reply.tool else "stop"


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-sim-{reply.name}",
        "object": kind,
        "created": reply.created,
        "model": reply.model,
        "system_fingerprint": FINGERPRINT,
        "service_tier": reply.asked.tier,
    }


def _message(reply: Reply, text: str, index: int) -> dict[str, Any]:
    if reply.tool is None:
        return {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    return {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [_call(reply, reply.tool, text, index)],
    }


def _call(reply: Reply, tool: Tool, arguments: str, index: int) -> dict[str, Any]:
    return {
        "id": f"call_sim_{reply.name}_{index}",
        "type": "function",
        "function": {"name": tool.name, "arguments": arguments},
    }


def _choice(reply: Reply, head: dict[str, Any], index: int, text: str) -> Iterator[bytes]:
    def told(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**head, "choices": [choice]}

    if reply.tool is None:
        yield event(told({"role": "assistant", "content": "", "refusal": None}))
        around = frame(told({"content": HOLE}))
    else:
        begun = {"index": 0, **_call(reply, reply.tool, "", index)}
        yield event(told({"role": "assistant", "content": None, "tool_calls": [begun]}))
        around = frame(told({"tool_calls": [{"index": 0, "function": {"arguments": HOLE}}]}))
    for piece in pieces(text):
        yield filled(around, piece)
    yield event(told({}, _reason(reply)))
