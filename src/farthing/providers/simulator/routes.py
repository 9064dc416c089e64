"""Which protocol a request line means, wherever under the base URL it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from farthing.providers.simulator.face import Called, Face, Plain
from farthing.providers.simulator.faces import (
    chat,
    completions,
    embeddings,
    gemini,
    gemini_plain,
    listing,
    messages,
    responses,
)
from farthing.providers.simulator.script import Declined

Vendor = Literal["openai", "anthropic", "gemini"]
Plainly = Callable[[bytes, Called, int], Plain]
POST, GET = b"POST", b"GET"
_CHAT = "/chat/completions"
_TALK: Mapping[str, Face] = {
    "completions": completions.FACE,
    "responses": responses.FACE,
    "messages": messages.FACE,
    "generateContent": gemini.FACE,
    gemini.STREAM: gemini.FACE,
}
_ERRORS: Mapping[Vendor, Face] = {
    "openai": chat.FACE,
    "anthropic": messages.FACE,
    "gemini": gemini.FACE,
}


def called(method: bytes, target: bytes) -> Called:
    path, _, query = target.decode("latin-1").partition("?")
    last = path[path.rfind("/") + 1 :]
    if ":" in last:
        model, _, verb = last.partition(":")
        return Called(method, path, query, model, verb)
    return Called(method, path, query, None, last)


def talk(line: Called) -> Face | None:
    """Who holds the conversation; None: it is none."""
    face = chat.FACE if line.path.endswith(_CHAT) else _TALK.get(line.verb or "")
    if face is None:
        return None
    if line.method != POST:
        raise Declined(405, "method_not_allowed", f"{line.path[:80]} takes POST only.")
    return face


def plain(line: Called, whose: Vendor) -> Plainly:
    """What answers anything else. Declined where there is no such place."""
    known = _PLAIN.get(line.verb or "")
    if known and line.method == POST:
        return known
    if line.method == GET and (line.path.endswith("/models") or "/models/" in line.path):
        return _LISTINGS[whose]
    raise Declined(404, "not_found", f"The simulator has nothing at {line.path[:80]}.")


def vendor(line: Called, headers: Mapping[bytes, bytes]) -> Vendor:
    """Whose form an answer takes that says nothing by itself: an error, a list."""
    if "/v1beta" in line.path or line.model is not None or b"x-goog-api-key" in headers:
        return "gemini"
    if line.verb in {"messages", "count_tokens"} or b"anthropic-version" in headers:
        return "anthropic"
    return "openai"


def errors(whose: Vendor) -> Face:
    return _ERRORS[whose]


def _count(body: bytes, line: Called, seed: int) -> Plain:
    model, count = messages.count(body)
    return Plain(b'{"input_tokens":%d}' % count, model)


def _name(line: Called) -> str | None:
    return None if line.path.endswith("/models") else line.path.rpartition("/")[2]


_PLAIN: Mapping[str, Plainly] = {
    "embeddings": lambda body, line, seed: embeddings.answer(body, seed),
    "count_tokens": _count,
    gemini_plain.EMBED: gemini_plain.embed,
    gemini_plain.EMBED_MANY: gemini_plain.embed,
    gemini_plain.COUNT: lambda body, line, seed: gemini_plain.count(body, line),
}
_LISTINGS: Mapping[Vendor, Plainly] = {
    "openai": lambda body, line, seed: listing.openai(_name(line)),
    "anthropic": lambda body, line, seed: listing.anthropic(_name(line)),
    "gemini": lambda body, line, seed: listing.gemini(_name(line)),
}
