"""Write a table as TOML, so that what came from farthing.toml is a version like any other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(table: Mapping[str, Any]) -> str:
    """What `tomllib` reads as an equal table."""
    return "\n".join(_lines(table, ())) + "\n" if table else ""


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    apart = {name: value for name, value in table.items() if _stands_apart(value)}
    for name, value in table.items():
        if name not in apart:
            yield f"{_key(name)} = {_value(value)}"
    for name, value in apart.items():
        title = ".".join(map(_key, (*path, name)))
        for entry in value if isinstance(value, list) else [value]:
            yield f"[[{title}]]" if isinstance(value, list) else f"[{title}]"
            yield from _lines(entry, (*path, name))


def _stands_apart(value: Any) -> bool:
    entries = value if isinstance(value, list) else [value]
    return bool(entries) and all(isinstance(entry, Mapping) for entry in entries)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{_key(name)} = {_value(each)}" for name, each in value.items()) + "}"
        )
    return repr(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    # JSON escapes all that TOML wants escaped, except this one.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
