"""What the requests of Gemini's protocol hold, in both of the spellings that Google takes."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from farthing.domain.errors import BadInput
from farthing.providers.body import ABSENT, altered, decoded, fields_of, hides, model_name, whole
from farthing.providers.protocol import Turns

MOST_CANDIDATES = 128
# What the caller runs itself; every other tool runs at Google, as often as it likes.
_AT_THE_CALLER = frozenset(
    {"functionDeclarations", "function_declarations", "computerUse", "computer_use"}
)
_MEDIA = re.compile(rb'"(?:inlineData|inline_data|fileData|file_data)"').search
_CONFIGS = ("generationConfig", "generation_config")
_CAPS = ("maxOutputTokens", "max_output_tokens")
Number = int | float | str | None  # JSON of a protobuf may write numbers as text


class _Config(msgspec.Struct, rename="camel"):
    max_output_tokens: Number = None
    max_output_tokens_: Number = msgspec.field(name="max_output_tokens", default=None)
    candidate_count: Number = None
    candidate_count_: Number = msgspec.field(name="candidate_count", default=None)
    temperature: Number = None
    response_modalities: list[str] | None = None
    response_modalities_: list[str] | None = msgspec.field(name="response_modalities", default=None)


class _Content(msgspec.Struct):
    parts: msgspec.Raw = msgspec.Raw(b"")


NAMES = _Config.__struct_encode_fields__
_CONFIG = msgspec.json.Decoder(_Config)
_TOOLS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_CONTENTS = msgspec.json.Decoder(list[_Content])
_PARTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_RESULT = msgspec.json.Decoder(dict[str, Any])


class Config(msgspec.Struct, frozen=True):
    """`generationConfig`, as far as it matters here."""

    cap: int | None = None
    choices: int = 1
    temperature: Number = None
    unbounded: str | None = None


_NO_CONFIG = Config()


def named(model: str | None) -> str:
    if model is None:
        raise BadInput("model", "the path names none", "Call /v1beta/models/MODEL:generateContent.")
    return model_name(model.removeprefix("models/"))


def config_of(*spelled: msgspec.Raw) -> Config:
    """Of both spellings the larger counts, for nobody knows which one Google goes by."""
    said = [bytes(raw) for raw in spelled if raw is not ABSENT and bytes(raw) != b"null"]
    configs = [decoded(_CONFIG, raw, "generationConfig") for raw in said]
    if not configs:
        return _NO_CONFIG
    caps: list[int] = []
    choices: list[int] = []
    for config in configs:
        caps += _counts("maxOutputTokens", config.max_output_tokens, config.max_output_tokens_)
        choices += _counts("candidateCount", config.candidate_count, config.candidate_count_)
    most = max(choices, default=1)
    whole(most, "generationConfig.candidateCount", 1, MOST_CANDIDATES)
    media = any(_speaks_or_draws(config) for config in configs)
    return Config(
        cap=max(caps, default=None),
        choices=most,
        temperature=configs[-1].temperature,
        unbounded="media_output" if media and not caps else None,
    )


def serves(tools: bytes) -> bool:
    """Whether a tool runs at Google."""
    if tools in {b"", b"null"}:
        return False
    return any(
        name not in _AT_THE_CALLER for tool in decoded(_TOOLS, tools, "tools") for name in tool
    )


def remote(content: bytes) -> bool:
    """Whether there is something whose tokens its bytes do not bound."""
    return _MEDIA(content) is not None or hides(content)


def capped(body: bytes, cap: int | None, *, rewrite: bool) -> bytes:
    """The body with a lower cap, in whichever spellings it has one."""
    fields = fields_of(body)
    there = [name for name in _CONFIGS if name in fields and bytes(fields[name]) != b"null"]
    values: dict[str, bytes] = {}
    for name in there or (_CONFIGS[:1] if cap is not None else ()):
        config = bytes(fields.get(name, msgspec.Raw(b"{}")))
        config = b"{}" if config == b"null" else config
        held = fields_of(config)
        caps = [spelling for spelling in _CAPS if spelling in held] or _CAPS[:1]
        changed = {} if cap is None else {spelling: b"%d" % cap for spelling in caps}
        values[name] = altered(config, changed, rewrite=rewrite)
    return altered(body, values, rewrite=rewrite)


def turns_of_parts(contents: bytes) -> Turns:
    """A function failed where its response has an `error`, as Google's own SDK writes it."""
    results = errors = 0
    try:
        read = _CONTENTS.decode(contents)
        for content in read:
            if b"esponse" not in bytes(content.parts):
                continue
            for part in _PARTS.decode(content.parts):
                answered = part.get("functionResponse") or part.get("function_response")
                if answered is not None:
                    results += 1
                    response = _RESULT.decode(answered).get("response")
                    errors += isinstance(response, dict) and bool(response.get("error"))
    except (msgspec.MsgspecError, RecursionError):
        return Turns()
    return Turns(len(read), results, errors)


def _counts(name: str, *values: Number) -> list[int]:
    """Those that were given. A text of digits is a number to Google."""
    counts = []
    for value in values:
        if value is None:
            continue
        where = f"generationConfig.{name}"
        try:
            count = int(value)
        except (ValueError, OverflowError):
            count = -1
        if count != value and str(count) != value:
            raise BadInput(where, f"{value!r} is no whole number", "Give a whole number.")
        counts.append(whole(count, where) or 0)
    return counts


def _speaks_or_draws(config: _Config) -> bool:
    asked = [*(config.response_modalities or ()), *(config.response_modalities_ or ())]
    return any(modality.upper() != "TEXT" for modality in asked)
