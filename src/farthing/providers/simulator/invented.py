"""A value that satisfies a JSON schema, always the same one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
_DEEPEST = 12  # a schema that refers to itself ends here
_MOST_ITEMS = 16
_MOST_VALUES = 2_000  # in all: one that refers to itself often grows fast
_SAID = "simulated"
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def value_of(schema: object) -> Any:
    """Follows type, enum, const, $ref, anyOf, oneOf, allOf, properties, items and bounds.

    Types in capitals, as Gemini writes them, are read too. Patterns, `not` and conditions are
    not followed: such a value may be invalid.
    """
    return _Maker(schema).make(schema, 0)


class _Maker:
    def __init__(self, root: object) -> None:
        self._root = root
        self._made = 0

    def make(self, schema: object, depth: int) -> Any:
        self._made += 1
        if depth > _DEEPEST or self._made > _MOST_VALUES:
            return None
        if not isinstance(schema, Mapping):
            return _SAID
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if isinstance(options := schema.get("enum"), list) and options:
            return options[0]
        for word in ("anyOf", "oneOf"):
            if isinstance(ways := schema.get(word), list) and ways:
                return self.make(_merged(_without(schema, word), self._plainest(ways)), depth + 1)
        return self._typed(schema, _type(schema), depth)

    def _typed(self, schema: Schema, kind: str, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer" | "number":
                return _number(schema, kind)
            case "boolean":
                return True
            case "null":
                return None
        return _text(schema)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        """All properties, or near the end only those that must be there."""
        named = schema.get("properties")
        properties = named if isinstance(named, Mapping) else {}
        must = schema.get("required")
        required = (
            [name for name in must if isinstance(name, str)] if isinstance(must, list) else []
        )
        names = list(properties) if depth < _DEEPEST // 2 else required
        every = dict.fromkeys((*names, *required))
        return {name: self.make(properties.get(name, {}), depth + 1) for name in every}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        first = schema.get("prefixItems")
        fixed = first if isinstance(first, list) else []
        least, most = _bound(schema, "minItems"), _bound(schema, "maxItems")
        wanted = 1 if depth < _DEEPEST // 2 else 0
        count = min(max(least or 0, wanted, len(fixed)), _MOST_ITEMS if most is None else most)
        rest = schema.get("items", {})
        kinds = [*fixed, *[rest] * (count - len(fixed))][:count]
        made = [self.make(kind, depth + 1) for kind in kinds]
        return _distinct(made) if schema.get("uniqueItems") else made

    def _plainest(self, ways: list[Any]) -> Schema:
        """The first way that is not null, so that an optional value is there."""
        known = [self._resolved(way) for way in ways if isinstance(way, Mapping)]
        return next((way for way in known if _type(way) != "null"), known[0] if known else {})

    def _resolved(self, schema: Schema) -> Schema:
        """The schema behind references, and with everything that allOf adds."""
        for _ in range(_DEEPEST):
            where = schema.get("$ref")
            if not isinstance(where, str):
                break
            schema = _merged(self._at(where), _without(schema, "$ref"))
        parts = schema.get("allOf")
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, Mapping):
                more = self._resolved(part) if "$ref" in part else part
                schema = _merged(_without(schema, "allOf"), more)
        return schema

    def _at(self, where: str) -> Schema:
        found: Any = self._root
        for name in where.removeprefix("#").strip("/").split("/"):
            if name:
                key = name.replace("~1", "/").replace("~0", "~")
                found = found.get(key) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) else {}


def _without(schema: Schema, word: str) -> Schema:
    return {key: value for key, value in schema.items() if key != word}


def _merged(outer: Schema, inner: Schema) -> Schema:
    both = {**outer, **inner}
    for word in ("properties", "required"):
        mine, theirs = outer.get(word), inner.get(word)
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            both[word] = {**mine, **theirs}
        elif isinstance(mine, list) and isinstance(theirs, list):
            both[word] = [*mine, *theirs]
    return both


def _type(schema: Schema) -> str:
    told = schema.get("type")
    if isinstance(told, list):
        told = next((kind for kind in told if kind != "null"), "null")
    if isinstance(told, str):
        return told.lower()
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _number(schema: Schema, kind: str) -> int | float:
    """The first of some likely numbers that keeps the bounds; 1 where none does."""
    low, high = _limit(schema, "minimum"), _limit(schema, "maximum")
    above, below = _limit(schema, "exclusiveMinimum"), _limit(schema, "exclusiveMaximum")
    edges = [edge for edge in (low, above, high, below) if edge is not None]
    step = _limit(schema, "multipleOf") or (1 if kind == "integer" else 0)
    near = [1, *edges, sum(edges) / max(len(edges), 1), *(e + n for e in edges for n in (1, -1))]
    if step:
        near = [math.floor(value / step + n) * step for value in near for n in (0, 1, -1)]
    fits = (
        value
        for value in near
        if (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
        and (below is None or value < below)
    )
    value = next(fits, 1)
    return int(value) if kind == "integer" else value


def _text(schema: Schema) -> str:
    said = _FORMATS.get(str(schema.get("format")), _SAID)
    least, most = _bound(schema, "minLength"), _bound(schema, "maxLength")
    said = said.ljust(min(least or 0, 10_000), ".")
    return said if most is None else said[:most]


def _limit(schema: Schema, word: str) -> float | None:
    told = schema.get(word)
    sound = isinstance(told, int | float) and not isinstance(told, bool) and math.isfinite(told)
    return told if sound else None


def _bound(schema: Schema, word: str) -> int | None:
    """A count; Gemini writes them as text."""
    told = schema.get(word)
    if isinstance(told, str) and told.isdigit():
        return int(told)
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None


def _distinct(values: list[Any]) -> list[Any]:
    return [
        f"{value}{n}" if isinstance(value, str) and n else value + n if _counts(value) else value
        for n, value in enumerate(values)
    ]


def _counts(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
