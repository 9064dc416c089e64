"""What a conversation in a request holds: its beginning, its turns, what is not in its bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from farthing.providers.body import decoded
from farthing.providers.protocol import Turns

PREFIX_BYTES = 2048

# Names of parts whose tokens their bytes do not bound. In a text these quotes would be escaped.
# One pass with a pattern is cheaper than a search for each name.
MEDIA = re.compile(
    rb'"(?:image_url|input_audio|audio|file_data|file_id|file_url|video_url|document_url'
    rb'|item_reference|computer_screenshot)"'
).search

_ANSWERED = re.compile(rb'"role"\s*:\s*"(?:assistant|model)"').search
_UNREADABLE = (msgspec.MsgspecError, RecursionError)


class _Message(msgspec.Struct):
    role: Any = None
    content: msgspec.Raw = msgspec.Raw(b"")


class _Item(msgspec.Struct):
    type: Any = None
    output: msgspec.Raw = msgspec.Raw(b"")


class Tool(msgspec.Struct):
    type: str | None = None
    name: str | None = None
    max_uses: int | None = None


_MESSAGES = msgspec.json.Decoder(list[_Message])
_ITEMS = msgspec.json.Decoder(list[_Item])
_TOOLS = msgspec.json.Decoder(list[Tool])
_TEXT = msgspec.json.Decoder(str)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def prefix_of(*parts: bytes) -> bytes:
    """What a provider's prompt cache goes by: equal for every turn of a conversation.

    It ends before the first answer of the model, so that it does not grow with the conversation.
    """
    joined = b"".join([part[:PREFIX_BYTES] for part in parts])[:PREFIX_BYTES]
    answer = _ANSWERED(joined)
    if answer is not None:
        joined = joined[: joined.rfind(b"{", 0, answer.start())]
    return joined.rstrip(b"], \r\n\t")


def texts(labels: Mapping[str, Any]) -> dict[str, str]:
    """The labels that are text. Others are between the caller and the provider."""
    return {name: value for name, value in labels.items() if isinstance(value, str)}


def tools_of(tools: bytes) -> list[Tool]:
    """The tools by type."""
    return [] if tools in {b"", b"null"} else decoded(_TOOLS, tools, "tools")


def turns_of_chat(messages: bytes) -> Turns:
    """Of messages that have a role; a tool's result failed where it is JSON with an `error`."""
    try:
        read = _MESSAGES.decode(messages)
    except _UNREADABLE:
        return Turns()
    results = [message.content for message in read if message.role in {"tool", "function"}]
    return Turns(len(read), len(results), sum(says_error(bytes(content)) for content in results))


def turns_of_items(sent: bytes) -> Turns:
    """Of the responses API: a text is one turn; results of tools are items of their own."""
    if sent[:1] != b"[":
        return Turns(1)
    try:
        read = _ITEMS.decode(sent)
    except _UNREADABLE:
        return Turns()
    results = [
        item.output
        for item in read
        if isinstance(item.type, str) and item.type.endswith("_call_output")
    ]
    return Turns(len(read), len(results), sum(says_error(bytes(output)) for output in results))


def says_error(content: bytes) -> bool:
    """Whether a result, JSON in a JSON string, is an object with an error in it."""
    if b"error" not in content:
        return False
    try:
        return bool(_OBJECT.decode(_TEXT.decode(content)).get("error"))
    except _UNREADABLE:
        return False
