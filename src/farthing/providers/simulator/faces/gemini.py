"""Gemini's generateContent, whole and streamed."""

from __future__ import annotations

from typing import Any

import msgspec

from farthing.domain.usage import Usage
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
from farthing.providers.simulator.face import Called, decode, event
from farthing.providers.simulator.reply import Reply
from farthing.providers.simulator.script import Declined
from farthing.providers.simulator.words import pieces, tokens

STREAM = "streamGenerateContent"
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_THINKS = 0.5
_MODES = {"NONE": "none", "AUTO": "auto", "ANY": "required", "VALIDATED": "auto"}


class _Thinking(msgspec.Struct, rename="camel"):
    thinking_budget: int | None = None
    thinking_level: str | None = None
    include_thoughts: bool | None = None


class _Generation(msgspec.Struct, rename="camel"):
    max_output_tokens: int | None = None
    candidate_count: int | None = None
    seed: int | None = None
    response_mime_type: str | None = None
    response_schema: Any = None
    response_json_schema: Any = None
    thinking_config: msgspec.Raw = msgspec.Raw()


class _Tools(msgspec.Struct, rename="camel"):
    function_declarations: list[dict[str, Any]] | None = None


class _Request(msgspec.Struct, rename="camel"):
    contents: msgspec.Raw = msgspec.Raw()
    system_instruction: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    tool_config: msgspec.Raw = msgspec.Raw()
    generation_config: msgspec.Raw = msgspec.Raw()
    cached_content: str | None = None


class _Named(msgspec.Struct):
    name: str | None = None


class _Part(msgspec.Struct, rename="camel"):
    function_call: _Named | None = None
    function_response: _Named | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] = []
    role: str | None = None


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CONTENTS = msgspec.json.Decoder(list[_Content])
_TOOLS = msgspec.json.Decoder(list[_Tools])
_ANY = msgspec.json.Decoder()
_REQUEST = msgspec.json.Decoder(_Request)
_GENERATION = msgspec.json.Decoder(_Generation)
_THINKING = msgspec.json.Decoder(_Thinking)


class Gemini:
    def read(self, body: bytes, called: Called) -> Asked:
        model = model_of(called.model)
        told, contents = told_of(body)
        made = decode(_camel(told.generation_config or b"{}"), _GENERATION, "generationConfig")
        thinking = decode(_camel(made.thinking_config or b"{}"), _THINKING, "thinkingConfig")
        effort, most = _thinking(thinking)
        return Asked(
            model=model,
            prompt=prompt_of(model, told.system_instruction, told.tools, told.contents),
            stream=called.verb == STREAM,
            cap=cap_of(model, made.max_output_tokens, "maxOutputTokens"),
            choices=choices_of(made.candidate_count, "candidateCount"),
            seed=made.seed,
            effort=effort,
            most_thoughts=most,
            thoughts_shown=bool(thinking.include_thoughts) and effort > 0,
            tool=_tool(told, contents) if told.tools else None,
            schema=_schema(made),
            writes_billed=False,
            echoed={"sse": "alt=sse" in called.query},
        )

    def whole(self, reply: Reply) -> tuple[str, bytes]:
        parts = [_parts(reply, text) for text in reply.texts]
        told = _answer(reply, parts, _usage(reply.usage, reply.usage.output_visible), done=True)
        return told["responseId"], msgspec.json.encode(told)

    def stream(self, reply: Reply) -> tuple[str, list[bytes]]:
        """Usage is on every event and grows; the last one tells all of it."""
        steps = [_steps(reply, text) for text in reply.texts]
        last, so_far, events = max(map(len, steps)) - 1, 0, []
        for place in range(last + 1):
            parts = [step[place : place + 1] for step in steps]
            shown = (part for step in parts for part in step if "thought" not in part)
            so_far += sum(tokens(len(part.get("text", ""))) for part in shown)
            made = reply.usage.output_visible if place == last else so_far
            told = _answer(reply, parts, _usage(reply.usage, made), done=place == last)
            events.append(msgspec.json.encode(told))
        if reply.asked.echoed["sse"]:
            return _id(reply), [event(told) for told in events]
        return _id(reply), [(b",\r\n" if n else b"[") + told for n, told in enumerate(events)] + [
            b"]"
        ]

    def error(self, declined: Declined, request_id: str) -> bytes:
        status = declined.answer_status
        told = {
            "code": status,
            "message": declined.message,
            "status": _STATUSES.get(status, "UNKNOWN"),
        }
        return msgspec.json.encode({"error": told})


FACE = Gemini()


def told_of(body: bytes) -> tuple[_Request, list[_Content]]:
    """The request, in camel or snake case, and what was said."""
    told = decode(_camel(body), _REQUEST)
    if told.cached_content:
        raise Declined(404, "not_found", "The simulator keeps no cachedContent.", "cachedContent")
    contents = decode(told.contents or b"[]", _CONTENTS, "contents")
    if not contents:
        raise Declined(400, "missing_required_parameter", "contents is not specified", "contents")
    return told, contents


def _camel(body: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    """An object with its names in camel case: the API takes snake case as well."""
    fields = decode(body, _FIELDS)
    if not any("_" in name for name in fields):
        return body
    return msgspec.json.encode({_camelled(name): value for name, value in fields.items()})


def _camelled(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _thinking(told: _Thinking) -> tuple[float, int | None]:
    """The share of the output that is thought, and its limit. A budget of -1 is the model's."""
    if told.thinking_level:
        return EFFORTS.get(told.thinking_level.lower(), _THINKS), None
    budget = told.thinking_budget
    if not budget:
        return 0.0, None
    return _THINKS, budget if budget > 0 else None


def _schema(made: _Generation) -> Any:
    schema = made.response_json_schema or made.response_schema
    if schema is None and made.response_mime_type == "application/json":
        return {"const": {"simulated": True}}
    return schema


def _tool(told: _Request, contents: list[_Content]) -> Tool | None:
    offered = decode(_each_camel(told.tools), _TOOLS, "tools")
    tools = [
        Tool(str(each.get("name")), _parameters(each))
        for group in offered
        for each in group.function_declarations or ()
    ]
    calls = [part.function_call for said in contents for part in said.parts]
    called = {call.name for call in calls if call and call.name}
    answered = any(part.function_response for part in contents[-1].parts)
    return tool_to_call(tools, _choice(told.tool_config), called, answered=answered)


def _parameters(function: dict[str, Any]) -> Any:
    """Google's own client mixes both cases in one request."""
    names = ("parametersJsonSchema", "parameters_json_schema", "parameters")
    return next((function[name] for name in names if function.get(name)), None)


def _each_camel(tools: msgspec.Raw) -> bytes:
    items = decode(tools, msgspec.json.Decoder(list[msgspec.Raw]), "tools")
    return msgspec.json.encode([msgspec.Raw(_camel(item)) for item in items])


def _choice(told: msgspec.Raw) -> str:
    match _all_camel(decode(told, _ANY)) if told else None:
        case {"functionCallingConfig": {"allowedFunctionNames": [str() as name]}}:
            return name
        case {"functionCallingConfig": {"mode": str() as mode}}:
            return _MODES.get(mode, "auto")
    return "auto"


def _all_camel(told: Any) -> Any:
    """The same, and the objects inside too."""
    if not isinstance(told, dict):
        return told
    return {_camelled(name): _all_camel(value) for name, value in told.items()}


def _id(reply: Reply) -> str:
    return f"sim-{reply.name}"


def _parts(reply: Reply, text: str) -> list[dict[str, Any]]:
    thoughts = [{"text": reply.thoughts, "thought": True}] if reply.thoughts else []
    if reply.tool:
        call = {"name": reply.tool.name, "args": reply.arguments, "id": f"sim-call-{reply.name}"}
        return [*thoughts, {"functionCall": call}]
    return [*thoughts, {"text": text}]


def _steps(reply: Reply, text: str) -> list[dict[str, Any]]:
    """The parts as a stream hands them out: text in pieces, a call at once."""
    thoughts = [{"text": piece, "thought": True} for piece in pieces(reply.thoughts)]
    if reply.tool:
        return [*thoughts, _parts(reply, text)[-1]]
    return [*thoughts, *({"text": piece} for piece in pieces(text))] or [{"text": ""}]


def _answer(
    reply: Reply, parts: list[list[dict[str, Any]]], usage: dict[str, Any], *, done: bool
) -> dict[str, Any]:
    reason = {"finishReason": "MAX_TOKENS" if reply.cut else "STOP"} if done else {}
    return {
        "candidates": [
            {"content": {"parts": each, "role": "model"}, **reason, "index": index}
            for index, each in enumerate(parts)
        ],
        "usageMetadata": usage,
        "modelVersion": reply.model,
        "responseId": _id(reply),
    }


def _usage(used: Usage, visible: int) -> dict[str, Any]:
    """Thoughts are beside candidates. Source: GenerateContentResponseUsageMetadata."""
    told: dict[str, Any] = {
        "promptTokenCount": used.input_tokens,
        "candidatesTokenCount": visible,
        "totalTokenCount": used.input_tokens + visible + used.reasoning,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": used.input_tokens}],
    }
    if used.reasoning:
        told["thoughtsTokenCount"] = used.reasoning
    if used.cache_read:
        told["cachedContentTokenCount"] = used.cache_read
        told["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": used.cache_read}]
    return told
