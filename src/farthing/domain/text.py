"""Values as JSON text, as stores keep them: money is a decimal string."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from farthing.domain.errors import Defect
from farthing.domain.money import Money

Value = TypeVar("Value")


def to_text(value: Any) -> str:
    """A struct, or plain values, on one line with a fixed order of names."""
    return msgspec.json.encode(value, enc_hook=_plain, order="sorted").decode()


def from_text(text: str, kind: type[Value]) -> Value:
    """What `to_text` wrote."""
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=_rich)
    except msgspec.DecodeError as error:
        raise Defect(f"A stored {kind.__name__} cannot be read: {error}") from error


def _plain(value: object) -> str:
    if isinstance(value, Money):
        return str(value)
    raise Defect(f"A {type(value).__name__} was to be stored as text.")


def _rich(kind: type, value: object) -> object:
    if kind is Money and isinstance(value, str):
        return Money.of(value)
    raise Defect(f"A stored {kind.__name__} is {value!r}.")
