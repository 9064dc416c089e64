"""What a type cannot say of a knob: ranges, filters, names."""

from __future__ import annotations

import re
from typing import Final

from farthing.domain.errors import Refused
from farthing.domain.period import zone
from farthing.domain.scope import SCOPE
from farthing.domain.where import parse as parse_where
from farthing.policy.amounts import Stretch

_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
COUNTED_BY: Final = (*SCOPE, "tenant", "session_id", "model")


def in_range(length: Stretch, name: str, least: int, most: int) -> None:
    if not least <= length <= most:
        range_ = f"{Stretch(least)} to {Stretch(most)}"
        raise ValueError(f'{name} = "{length}" is out of range. Write {range_}')


def named(text: str, name: str) -> None:
    if not text.strip():
        raise ValueError(f"`{name}` is empty. Name a model")


def a_tier(name: str) -> None:
    if not _WORD.fullmatch(name):
        raise ValueError(f'{name!r} is no tier. Write it as the provider does: tier = "flex"')


def readable(text: str) -> None:
    if not text:
        return
    try:
        parse_where(text)
    except Refused as error:
        raise ValueError(str(error).removesuffix(".")) from error


def in_a_zone(name: str) -> None:
    try:
        zone(name)
    except Refused as error:
        raise ValueError(str(error).removesuffix(".")) from error


def counted_by(name: str) -> None:
    if name not in COUNTED_BY and not name.startswith("tags."):
        raise ValueError(
            f"nothing is called {name!r} to count by. Use {', '.join(COUNTED_BY)} or tags.NAME"
        )
