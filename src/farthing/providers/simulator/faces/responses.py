"""OpenAI's responses."""

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
    model_of,
    prompt_of,
    tool_to_call,
)
from farthing.providers.simulator.caching import LONG, SHORT
from farthing.providers.simulator.face import Called, decode, event
from farthing.providers.simulator.faces import openai_errors
from farthing.providers.simulator.faces.chat import choice_of, json_shape
from farthing.providers.simulator.reply import Reply
from farthing.providers.simulator.script import Declined
from farthing.providers.simulator.words import pieces

Json = dict[str, Any]


class _Reasoning(msgspec.Struct):
    effort: str | None = None


class _Format(msgspec.Struct):
    type: str = "text"
    schema: Any = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Tool(msgspec.Struct):
    type: str
    name: str | None = None
    parameters: Any = None


class _Request(msgspec.Struct, gc=False):
    model: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    instructions: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    tool_choice: msgspec.Raw = msgspec.Raw()
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    max_output_tokens: int | None = None
    stream: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    metadata: dict[str, str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    parallel_tool_calls: bool | None = None


class _Item(msgspec.Struct):
    type: str = "message"
    name: str | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_INPUT = msgspec.json.Decoder(str | list[_Item])
_TOOLS = msgspec.json.Decoder(list[_Tool])


class Responses:
    def read(self, body: bytes, called: Called) -> Asked:
        told = decode(body, _REQUEST)
        model = model_of(told.model)
        if told.background:
            what = "The simulator runs nothing in the background."
            raise Declined(400, "unsupported_parameter", what, "background")
        said = decode(told.input or b'""', _INPUT, "input")
        if not said:
            what = "The input is missing, or there is none."
            raise Declined(400, "missing_required_parameter", what, "input")
        shape = (told.text and told.text.format) or _Format()
        effort = told.reasoning.effort if told.reasoning else None
        return Asked(
            model=model,
            prompt=prompt_of(model, told.tools, told.instructions, told.input),
            stream=bool(told.stream),
            cap=cap_of(model, told.max_output_tokens, "max_output_tokens"),
            effort=EFFORTS.get(effort or "none", 0.0),
            tool=_tool(told, said) if told.tools else None,
            schema=json_shape(shape.type, shape.schema),
            lifetime=LONG if told.prompt_cache_retention == "24h" else SHORT,
            tier=FLEX if told.service_tier == FLEX else "default",
            before=told.previous_response_id,
            echoed=_echoed(told),
        )

    def whole(self, reply: Reply) -> tuple[str, bytes]:
        told = _response(reply, _ending(reply), _output(reply), _usage(reply.usage))
        return told["id"], msgspec.json.encode(told)

    def stream(self, reply: Reply) -> tuple[str, list[bytes]]:
        events = (
            event({**told, "sequence_number": number}, told["type"])
            for number, told in enumerate(_events(reply))
        )
        return _id(reply), list(events)

    def error(self, declined: Declined, request_id: str) -> bytes:
        return openai_errors.error(declined, request_id)


FACE = Responses()


def _echoed(told: _Request) -> Json:
    """What an answer repeats of its request."""
    return {
        "instructions": told.instructions or None,
        "tools": told.tools or [],
        "tool_choice": told.tool_choice or "auto",
        "parallel_tool_calls": told.parallel_tool_calls is not False,
        "max_output_tokens": told.max_output_tokens,
        "previous_response_id": told.previous_response_id,
        "metadata": told.metadata or {},
        "temperature": told.temperature,
        "top_p": told.top_p,
    }


def _tool(told: _Request, said: str | list[_Item]) -> Tool | None:
    offered = decode(told.tools, _TOOLS, "tools")
    tools = [
        Tool(each.name, each.parameters)
        for each in offered
        if each.type == "function" and each.name
    ]
    items = [] if isinstance(said, str) else said
    called = {item.name for item in items if item.type == "function_call" and item.name}
    answered = bool(items) and items[-1].type == "function_call_output"
    return tool_to_call(tools, choice_of(told.tool_choice), called, answered=answered)


def _id(reply: Reply) -> str:
    return f"resp_sim_{reply.name}"


def _ending(reply: Reply) -> str:
    return "incomplete" if reply.cut else "completed"


def _response(reply: Reply, status: str, output: list[Json], usage: Json | None) -> Json:
    cut = status == "incomplete"
    return {
        "id": _id(reply),
        "object": "response",
        "created_at": reply.created,
        "status": status,
        "model": reply.model,
        "output": output,
        "usage": usage,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "service_tier": reply.asked.tier,
        **reply.asked.echoed,
    }


def _output(reply: Reply) -> list[Json]:
    thought = [_reasoning(reply)] if reply.usage.reasoning else []
    return [*thought, _item(reply, _ending(reply), reply.texts[0])]


def _reasoning(reply: Reply) -> Json:
    return {"id": f"rs_sim_{reply.name}", "type": "reasoning", "summary": []}


def _item(reply: Reply, status: str, text: str | None) -> Json:
    """The message or the call, with its text or still without."""
    if reply.tool:
        return {
            "id": f"fc_sim_{reply.name}",
            "type": "function_call",
            "status": status,
            "call_id": f"call_sim_{reply.name}",
            "name": reply.tool.name,
            "arguments": text or "",
        }
    return {
        "id": f"msg_sim_{reply.name}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [] if text is None else [_part(text)],
    }


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _events(reply: Reply) -> Iterator[Json]:
    begun = _response(reply, "in_progress", [], None)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    place = 0
    if reply.usage.reasoning:
        thought = {"output_index": place, "item": _reasoning(reply)}
        yield {"type": "response.output_item.added", **thought}
        yield {"type": "response.output_item.done", **thought}
        place += 1
    item = _item(reply, "in_progress", None)
    where = {"item_id": item["id"], "output_index": place}
    yield {"type": "response.output_item.added", "output_index": place, "item": item}
    yield from _call(reply.texts[0], where) if reply.tool else _text(reply.texts[0], where)
    item = _item(reply, _ending(reply), reply.texts[0])
    yield {"type": "response.output_item.done", "output_index": place, "item": item}
    told = _response(reply, _ending(reply), _output(reply), _usage(reply.usage))
    yield {"type": f"response.{_ending(reply)}", "response": told}


def _text(text: str, item: Json) -> Iterator[Json]:
    where = {**item, "content_index": 0}
    yield {"type": "response.content_part.added", **where, "part": _part("")}
    for piece in pieces(text):
        yield {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **where, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": _part(text)}


def _call(arguments: str, where: Json) -> Iterator[Json]:
    for piece in pieces(arguments):
        yield {"type": "response.function_call_arguments.delta", **where, "delta": piece}
    yield {"type": "response.function_call_arguments.done", **where, "arguments": arguments}


def _usage(used: Usage) -> Json:
    """Totals with their parts inside. Source: openai.types.responses.ResponseUsage."""
    written = used.cache_write_short + used.cache_write_long
    details: Json = {"cached_tokens": used.cache_read, "cache_write_tokens": written}
    if written:
        details["cache_write_tokens_details"] = {
            "ttl_30m_tokens": used.cache_write_short,
            "ttl_12h_tokens": used.cache_write_long,
        }
    return {
        "input_tokens": used.input_tokens,
        "input_tokens_details": details,
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.input_tokens + used.output_tokens,
    }
