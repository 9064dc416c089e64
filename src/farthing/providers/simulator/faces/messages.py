"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from farthing.domain.usage import Usage
from farthing.providers.simulator.asked import (
    EFFORTS,
    Asked,
    Tool,
    cap_of,
    model_of,
    prompt_of,
    tool_to_call,
)
from farthing.providers.simulator.caching import LONG, SHORT, Block
from farthing.providers.simulator.face import HOLE, Called, decode, event, filled, frame
from farthing.providers.simulator.reply import Reply
from farthing.providers.simulator.script import Declined
from farthing.providers.simulator.words import pieces

_ERRORS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SERVER_ERROR = 500
_LEAST_THINKING = 1024
_THINKS = 0.5
_SIGNATURE = "c2ltdWxhdGVk"  # "simulated"


class _Mark(msgspec.Struct):
    ttl: Literal["5m", "1h"] | None = None


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None


class _Format(msgspec.Struct):
    type: str
    schema: Any = None


class _Output(msgspec.Struct):
    format: _Format | None = None
    effort: str | None = None


class _Tool(msgspec.Struct):
    name: str
    type: str | None = None
    input_schema: Any = None


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None


class _Request(msgspec.Struct, gc=False):
    model: str | None = None
    max_tokens: int | None = None
    messages: msgspec.Raw = msgspec.Raw()
    system: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    tool_choice: _Choice | None = None
    stream: bool | None = None
    thinking: _Thinking | None = None
    output_config: _Output | None = None
    cache_control: _Mark | None = None


class _Part(msgspec.Struct):
    type: str
    name: str | None = None


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[_Part]


class _RawMessage(msgspec.Struct):
    content: msgspec.Raw


_REQUEST = msgspec.json.Decoder(_Request)
_MESSAGES = msgspec.json.Decoder(list[_Message])
_TOOLS = msgspec.json.Decoder(list[_Tool])
_MARK = msgspec.json.Decoder(_Mark | None)
_RAW_MESSAGES = msgspec.json.Decoder(list[_RawMessage])
_RAW_BLOCKS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class Messages:
    def read(self, body: bytes, called: Called) -> Asked:
        told, messages = _told(body)
        model = model_of(told.model)
        if told.max_tokens is None:
            what = "max_tokens: Field required"
            raise Declined(400, "missing_required_parameter", what, "max_tokens")
        cap = cap_of(model, told.max_tokens, "max_tokens")
        output = told.output_config or _Output()
        effort, most = _thinking(told.thinking, told.max_tokens, output.effort)
        shape = output.format.schema if output.format else None
        return Asked(
            model=model,
            prompt=prompt_of(model, told.tools, told.system, told.messages),
            stream=bool(told.stream),
            cap=cap,
            effort=effort,
            most_thoughts=most,
            thoughts_shown=effort > 0,
            tool=_tool(told, messages) if told.tools else None,
            schema=shape,
            blocks=_blocks(told) if b'"cache_control"' in body else (),
        )

    def whole(self, reply: Reply) -> tuple[str, bytes]:
        told = {**_head(reply), "content": list(_content(reply)), **_stop(reply)}
        return told["id"], msgspec.json.encode({**told, "usage": _usage(reply.usage)})

    def stream(self, reply: Reply) -> tuple[str, list[bytes]]:
        head = _head(reply)
        begun = {**_usage(reply.usage), "output_tokens": 1}
        begun.pop("output_tokens_details", None)
        opened = {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": begun}
        events = [_event("message_start", message=opened)]
        for index, block in enumerate(_content(reply)):
            events += _block(index, block, reply)
        used = {**_usage(reply.usage)}
        used.pop("cache_creation")
        used.pop("service_tier")
        events.append(_event("message_delta", delta=_stop(reply), usage=used))
        return head["id"], [*events, _event("message_stop")]

    def error(self, declined: Declined, request_id: str) -> bytes:
        status = declined.answer_status
        usual = "api_error" if status >= _SERVER_ERROR else "invalid_request_error"
        told = {"type": _ERRORS.get(status, usual), "message": declined.message}
        return msgspec.json.encode({"type": "error", "error": told, "request_id": request_id})


FACE = Messages()


def count(body: bytes) -> tuple[str, int]:
    """The model and the input tokens of a request that need not say how much may come back."""
    told, _ = _told(body)
    model = model_of(told.model)
    asked = Asked(model=model, prompt=prompt_of(model, told.tools, told.system, told.messages))
    return model.name, asked.input_tokens


def _told(body: bytes) -> tuple[_Request, list[_Message]]:
    told = decode(body, _REQUEST)
    if not told.messages:
        what = "messages: Field required"
        raise Declined(400, "missing_required_parameter", what, "messages")
    messages = decode(told.messages, _MESSAGES, "messages")
    if not messages:
        raise Declined(400, "invalid_value", "messages: at least one is required", "messages")
    return told, messages


def _thinking(told: _Thinking | None, cap: int, effort: str | None) -> tuple[float, int | None]:
    """The share of the output that is thought, and its limit in tokens."""
    if told is None or told.type in {"disabled", "between_tools"}:
        return 0.0, None
    if told.type == "adaptive":
        return EFFORTS.get(effort or "medium", _THINKS), None
    budget = told.budget_tokens
    if budget is None or not _LEAST_THINKING <= budget < cap:
        what = "thinking.budget_tokens must be ≥ 1024 and less than max_tokens"
        raise Declined(400, "invalid_value", what, "thinking.budget_tokens")
    return _THINKS, budget


def _tool(told: _Request, messages: list[_Message]) -> Tool | None:
    offered = decode(told.tools, _TOOLS, "tools")
    tools = [
        Tool(each.name, each.input_schema) for each in offered if each.input_schema is not None
    ]
    parts = [
        part for said in messages if not isinstance(said.content, str) for part in said.content
    ]
    called = {part.name for part in parts if part.type == "tool_use" and part.name}
    last = messages[-1].content
    answered = not isinstance(last, str) and any(part.type == "tool_result" for part in last)
    choice = told.tool_choice or _Choice("auto")
    wanted = choice.name or {"any": "required"}.get(choice.type, choice.type)
    return tool_to_call(tools, wanted, called, answered=answered)


def _blocks(told: _Request) -> list[Block]:
    """The prompt in its order with the caller's marks, without the marks in the text."""
    blocks = list(_marked(told.tools)) + list(_marked(told.system))
    for message in decode(told.messages, _RAW_MESSAGES, "messages"):
        blocks += _marked(message.content)
    if told.cache_control and blocks:
        blocks[-1] = Block(blocks[-1].text, _lifetime(told.cache_control))
    return blocks


def _marked(told: msgspec.Raw) -> Iterator[Block]:
    text = bytes(told)
    if text[:1] != b"[":
        if text:
            yield Block(text)
        return
    for fields in decode(told, _RAW_BLOCKS):
        mark = decode(fields.pop("cache_control", b"null"), _MARK, "cache_control")
        yield Block(msgspec.json.encode(fields), _lifetime(mark) if mark else None)


def _lifetime(mark: _Mark) -> float:
    return LONG if mark.ttl == "1h" else SHORT


def _head(reply: Reply) -> dict[str, Any]:
    return {
        "id": f"msg_sim_{reply.name}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
    }


def _stop(reply: Reply) -> dict[str, Any]:
    reason = "max_tokens" if reply.cut else "tool_use" if reply.tool else "end_turn"
    return {"stop_reason": reason, "stop_sequence": None}


def _content(reply: Reply) -> Iterator[dict[str, Any]]:
    if reply.thoughts:
        yield {"type": "thinking", "thinking": reply.thoughts, "signature": _SIGNATURE}
    if reply.tool:
        call = f"toolu_sim_{reply.name}"
        yield {"type": "tool_use", "id": call, "name": reply.tool.name, "input": reply.arguments}
    elif reply.texts[0]:
        yield {"type": "text", "text": reply.texts[0], "citations": None}


def _usage(used: Usage) -> dict[str, Any]:
    """What was cached stands beside the input. Source: anthropic.types.Usage."""
    told: dict[str, Any] = {
        "input_tokens": used.input_fresh,
        "cache_creation_input_tokens": used.cache_write_short + used.cache_write_long,
        "cache_read_input_tokens": used.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": used.cache_write_short,
            "ephemeral_1h_input_tokens": used.cache_write_long,
        },
        "output_tokens": used.output_tokens,
        "service_tier": "standard",
    }
    if used.reasoning:
        told["output_tokens_details"] = {"thinking_tokens": used.reasoning}
    return told


def _block(index: int, block: dict[str, Any], reply: Reply) -> Sequence[bytes]:
    """A content block as it is streamed: opened empty, filled piece by piece, closed."""
    closing = [_event("content_block_stop", index=index)]
    empty: dict[str, Any]
    match block["type"]:
        case "thinking":
            empty, kind, text = {"thinking": "", "signature": ""}, "thinking", block["thinking"]
            signed = {"type": "signature_delta", "signature": _SIGNATURE}
            closing.insert(0, _event("content_block_delta", index=index, delta=signed))
        case "tool_use":
            empty, kind, text = {"input": {}}, "partial_json", reply.texts[0]
        case _:
            empty, kind, text = {"text": ""}, "text", block["text"]
    name = "input_json_delta" if kind == "partial_json" else f"{kind}_delta"
    delta = {"type": name, kind: HOLE}
    told = {"type": "content_block_delta", "index": index, "delta": delta}
    around = frame(told, "content_block_delta")
    opened = _event("content_block_start", index=index, content_block={**block, **empty})
    return [opened, *(filled(around, piece) for piece in pieces(text)), *closing]


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)
