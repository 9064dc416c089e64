"""Write values into SQL safely: text, names, JSON paths."""

from __future__ import annotations


def text(value: str | None) -> str:
    """A string literal, or NULL."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def literal(value: object) -> str:
    """A text in quotes, a number as it is."""
    return text(value) if isinstance(value, str) else str(value)


def name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def json_value(column: str, key: str) -> str:
    """The text under `key` of a JSON object column; keys may hold dots and quotes."""
    return f"json_extract_string({column}, {text('$.' + name(key))})"
