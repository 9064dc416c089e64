"""What the requests of Anthropic's protocol hold beside text: tools, media, results of tools."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from farthing.providers.body import hides
from farthing.providers.conversation import tools_of
from farthing.providers.protocol import Turns

# These types of tools run at the caller; every other one at Anthropic, in rounds.
_AT_THE_CALLER = ("custom", "bash_", "text_editor_", "computer_", "memory_")
# A source that is not written out in the request.
_SOURCE = re.compile(rb'"source"\s*:\s*\{(?!\s*"type"\s*:\s*"(?:text|content)")').search
_UPLOAD = b'"container_upload"'


class Tools(msgspec.Struct, frozen=True):
    server: bool = False  # there are tools that run at the provider
    rounds: int = 0  # as often as they may run, all together
    searches: int = 0  # of them, searches of the web
    uncapped: bool = False


class _Block(msgspec.Struct):
    type: Any = None
    is_error: Any = None


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw(b"")


_NO_TOOLS = Tools()
_MESSAGES = msgspec.json.Decoder(list[_Message])
_BLOCKS = msgspec.json.Decoder(list[_Block])


def asked_tools(raw: bytes) -> Tools:
    server = [
        tool
        for tool in tools_of(raw)
        if tool.type is not None and not tool.type.startswith(_AT_THE_CALLER)
    ]
    if not server:
        return _NO_TOOLS
    rounds = sum(max(tool.max_uses or 0, 0) for tool in server)
    searches = sum(
        max(tool.max_uses or 0, 0) for tool in server if (tool.type or "").startswith("web_search")
    )
    uncapped = any(tool.max_uses is None for tool in server)
    return Tools(server=True, rounds=rounds, searches=searches, uncapped=uncapped)


def remote(content: bytes) -> bool:
    """Whether there is something whose tokens its bytes do not bound."""
    if b'"source"' in content and _SOURCE(content) is not None:
        return True
    return _UPLOAD in content or hides(content)


def turns_of_blocks(messages: bytes) -> Turns:
    """Results of tools are blocks of a user's message, and say themselves whether they failed."""
    results = errors = 0
    try:
        read = _MESSAGES.decode(messages)
        for message in read:
            content = bytes(message.content)
            if b'"tool_result"' not in content:
                continue
            found = [block for block in _BLOCKS.decode(content) if block.type == "tool_result"]
            results += len(found)
            errors += sum(block.is_error is True for block in found)
    except (msgspec.MsgspecError, RecursionError):
        return Turns()
    return Turns(len(read), results, errors)
