"""How many tokens well-known models give at most: price lists do not say."""

from __future__ import annotations

import tomllib
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

import msgspec

from farthing.prices.source import Found

FILE = "limits.toml"


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published maximum. `read` is the day on which the source said so.

    Models are globs over the price list's ids. The first row that matches counts.
    """

    providers: tuple[str, ...]
    models: tuple[str, ...]
    max_output_tokens: int
    source: str
    read: date


def max_output(found: Found) -> int | None:
    """The most tokens that one choice can have, or None where nobody is certain."""
    for limit in limits():
        if found.provider in limit.providers and any(
            fnmatchcase(found.model.lower(), model) for model in limit.models
        ):
            return limit.max_output_tokens
    return None


@cache
def limits() -> tuple[Limit, ...]:
    told = tomllib.loads(files("farthing.prices").joinpath(FILE).read_text("utf-8"))
    return msgspec.convert(told["limit"], tuple[Limit, ...])
