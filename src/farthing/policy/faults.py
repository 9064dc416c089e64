"""Say in words what is wrong with a policy, and which name was probably meant."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_NO_CHOICE = re.compile(r"Invalid enum value (.*)")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_TYPES = {"int": "a whole number", "str": "text", "bool": "true or false", "object": "a table"}


def explain(message: str, policy: type[msgspec.Struct]) -> str:
    """One sentence or two from what msgspec says of a value of type `policy`."""
    found = _AT.search(message)
    what = message[: found.start()] if found else message
    steps = _STEP.findall(found["path"]) if found else []
    kind = _type_at(policy, [name for name, _ in steps if name])
    words = _words(what, kind)
    return f"The policy cannot be used{_place(steps)}: {words}{'' if words.endswith('?') else '.'}"


def _words(what: str, kind: Any) -> str:
    if unknown := _UNKNOWN.fullmatch(what):
        names = [field.encode_name for field in msgspec.structs.fields(kind)]
        return f"nothing is called `{unknown[1]}`. {_nearest(unknown[1], names)}"
    if no_choice := _NO_CHOICE.fullmatch(what):
        choices = ", ".join(f'"{choice}"' for choice in _choices(kind))
        return f"{no_choice[1]} is no choice. Use {choices}"
    if missing := _MISSING.fullmatch(what):
        return f"`{missing[1]}` is missing. Add it"
    if what.startswith("Expected "):
        for name, words in _TYPES.items():
            what = what.replace(f"`{name}`", words)
        return what[0].lower() + what[1:].replace("`", "")
    return what


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"Did you mean `{near[0]}`?" if near else f"Known are {', '.join(known)}"


def _place(steps: list[tuple[str, str]]) -> str:
    """`[cache] ttl`, `[[route]] entry 2, share`."""
    if not steps:
        return ""
    table = steps[0][0]
    rest = steps[1:]
    if rest and rest[0][1]:
        entry = "" if rest[0][1] == "..." else f" entry {int(rest[0][1]) + 1}"
        table, rest = f"[[{table}]]{entry}", rest[1:]
    else:
        table = f"[{table}]"
    names = "".join(f" {name}" for name, _ in rest if name)
    return f" at {table}{names}"


def _type_at(kind: Any, names: list[str]) -> Any:
    for name in names:
        struct = _struct(kind)
        if struct is None:
            return kind
        for field in msgspec.structs.fields(struct):
            if field.encode_name == name:
                kind = get_type_hints(struct)[field.name]
    return _struct(kind) or kind


def _struct(kind: Any) -> Any:
    """The struct that a type is, or holds."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next((found for part in get_args(kind) if (found := _struct(part))), None)


def _choices(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(choice for part in get_args(kind) for choice in _choices(part))
