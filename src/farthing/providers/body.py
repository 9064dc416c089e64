"""A request's JSON body: read what matters, change a field, keep every other byte."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from farthing.domain.errors import BadInput

T = TypeVar("T")

ABSENT = msgspec.Raw(b"")
MOST_TOKENS = 10**9  # more than any model has; a larger count is a mistake
LONGEST_NAME = 512

_NOTHING = frozenset({b"", b"null", b"[]"})
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SCALAR = re.compile(rb'\s*:\s*("[^"\\]*"|[-+.0-9eE]+|true|false|null)')
# An escape that hides a letter, a digit or _: no serializer writes it, and a search for a
# field's name would miss it.
_HIDDEN = re.compile(rb"\\u00(?:3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])")
_SHORT, _MANY = 1024, 4096


def decoded(decoder: msgspec.json.Decoder[T], body: bytes, within: str = "") -> T:
    """The fields that a decoder knows. BadInput, naming the field, where they are not so.

    `within` is the field whose value this is, where it is not the whole body.
    """
    try:
        found = decoder.decode(body)
        if not body.isascii():
            body.decode()  # what the decoder skips, it does not check
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        field = (within + where.rstrip("`")).lstrip(".") or "the body"
        raise BadInput(
            field, what[:1].lower() + what[1:], "See the API reference of the protocol."
        ) from None
    except RecursionError:
        raise BadInput("the body", "it is nested too deeply", "Send flatter JSON.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput("the body", f"it is no JSON: {error}", "Send one JSON object.") from None
    return found


def given(field: msgspec.Raw) -> bool:
    """Whether something was said there: neither absent, nor null, nor an empty list."""
    return field is not ABSENT and bytes(field) not in _NOTHING


def model_name(model: str) -> str:
    if not 0 < len(model) <= LONGEST_NAME:
        raise BadInput("model", f"it has {len(model)} characters", "Name a model.")
    if not model.isprintable():
        raise BadInput("model", f"{model!r} has characters that nobody can see", "Name a model.")
    return model


def whole(value: int | None, where: str, least: int = 0, most: int = MOST_TOKENS) -> int | None:
    """A count within its range, or None where none was given."""
    if value is not None and not least <= value <= most:
        raise BadInput(where, f"{value} is out of range", f"Give {least} to {most}.")
    return value


def listed(raw: msgspec.Raw, where: str) -> bytes:
    """The bytes of a field that must be a list."""
    found = bytes(raw)
    if found[:1] != b"[":
        what = "it is not a list" if found else "it is missing"
        raise BadInput(where, what, f"Send a list of {where}.")
    return found


def hides(text: bytes) -> bool:
    """Whether letters are written as escapes, so that no search of names can be relied on."""
    return b"\\" in text and b"\\u00" in text and _HIDDEN.search(text) is not None


def repeats(body: bytes, apart: Sequence[bytes], names: Sequence[bytes]) -> bool:
    """Whether one of the names may be there twice: what was read is then not what is sent.

    Never false where one is; true without need costs a rewriting. `apart` are large values, as
    they stand in the body, which are not looked into.
    """
    rest = body
    for value in apart:
        if value:
            rest = _without(rest, value)
    if b"\\" not in rest and len(rest) < _MANY:
        words = rest.split(b'"')[1::2]
        if len(set(words)) == len(words):
            return False
    elif hides(rest):
        return True
    return any(rest.count(name) > 1 for name in names)


def altered(body: bytes, values: Mapping[str, bytes], *, rewrite: bool = False) -> bytes:
    """The body with these fields of its object set, each value as JSON.

    In place where the field's name is there once, at the front where it is not there at all; else,
    or where told so, the object is written anew, every other value byte for byte.
    """
    fields = _FIELDS.decode(body)
    if not rewrite:
        spliced = _spliced(body, fields, values)
        if spliced is not None:
            return spliced
    for name, value in values.items():
        fields[name] = msgspec.Raw(value)
    return msgspec.json.encode(fields)


def fields_of(body: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The fields of an object, each as its bytes."""
    return decoded(_FIELDS, bytes(body))


def _spliced(
    body: bytes, fields: Mapping[str, msgspec.Raw], values: Mapping[str, bytes]
) -> bytes | None:
    for name, value in values.items():
        token = b'"%s"' % name.encode()
        if name not in fields:
            start = body.index(b"{") + 1
            rest = body[start:]
            comma = b"" if rest.lstrip().startswith(b"}") else b","
            body = b"".join((body[:start], token, b":", value, comma, rest))
            continue
        if body.count(token) != 1:
            return None
        after = body.index(token) + len(token)
        found = _SCALAR.match(body, after)
        if found is None:
            return None
        body = body[: found.start(1)] + value + body[found.end(1) :]
    return body


def _without(body: bytes, value: bytes) -> bytes:
    """An equal value elsewhere is as good: it cannot hold a field of the object either."""
    if len(value) < _SHORT:
        return body.replace(value, b"", 1)
    head = value[:64]  # a search for a long value would first study all of it
    start = body.find(head)
    while start >= 0 and not body.startswith(value, start):
        start = body.find(head, start + 1)
    return body if start < 0 else body[:start] + body[start + len(value) :]
