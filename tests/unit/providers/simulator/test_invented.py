"""Invented values satisfy the schema that asked for them."""

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.providers.simulator.invented import value_of

NUMBERS = st.integers(-100, 100)
LEAVES = st.one_of(
    st.just({"type": "string"}),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.builds(lambda n: {"const": n}, NUMBERS),
    st.builds(lambda options: {"enum": options}, st.lists(st.text(max_size=5), min_size=1)),
    st.builds(
        lambda low, size: {"type": "string", "minLength": low, "maxLength": low + size},
        st.integers(0, 30),
        st.integers(0, 9),
    ),
    st.builds(
        lambda kind, low, size: {"type": kind, "minimum": low, "maximum": low + size},
        st.sampled_from(["integer", "number"]),
        NUMBERS,
        st.integers(0, 9),
    ),
    st.builds(
        lambda kind, low: {"type": kind, "exclusiveMinimum": low},
        st.sampled_from(["integer", "number"]),
        NUMBERS,
    ),
    st.builds(lambda low: {"type": "number", "exclusiveMinimum": low, "maximum": low + 1}, NUMBERS),
    st.builds(
        lambda step, low: {"type": "integer", "multipleOf": step, "minimum": low},
        st.integers(1, 20),
        NUMBERS,
    ),
)


def _object(properties, close):
    required = list(properties) if close else list(properties)[:1]
    told = {"type": "object", "properties": properties, "required": required}
    return told | ({"additionalProperties": False} if close else {})


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(_object, st.dictionaries(st.text("abc", min_size=1), inner), st.booleans()),
        st.builds(
            lambda items, low, size: {
                "type": "array",
                "items": items,
                "minItems": low,
                "maxItems": low + size,
            },
            inner,
            st.integers(0, 4),
            st.integers(0, 3),
        ),
        st.builds(lambda ways: {"anyOf": ways}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)


@given(SCHEMAS)
def test_a_value_is_valid(schema):
    jsonschema.validate(value_of(schema), schema)


@given(st.recursive(st.none() | st.booleans() | NUMBERS | st.text(), st.lists, max_leaves=5))
def test_what_is_no_schema_still_gets_a_value(schema):
    value_of(schema)


@given(
    st.dictionaries(
        st.sampled_from(
            "type enum anyOf allOf properties required items minItems maxItems minimum maximum "
            "multipleOf $ref format minLength maxLength prefixItems exclusiveMinimum".split()
        ),
        st.none() | NUMBERS | st.text(max_size=4) | st.lists(st.text(max_size=3), max_size=2),
    )
)
def test_a_schema_of_nonsense_is_survived(schema):
    value_of(schema)


def test_references_are_followed_and_circles_end():
    tree = {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                },
                "required": ["name", "children"],
            }
        },
    }
    value = value_of(tree)
    jsonschema.validate(value, tree)
    assert value["children"][0]["name"] == "simulated"


@pytest.mark.parametrize(
    "name", ["date", "date-time", "email", "ipv4", "ipv6", "uuid", "uri", "hostname"]
)
def test_formats_are_kept(name):
    schema = {"type": "string", "format": name}
    checker = jsonschema.FormatChecker()
    jsonschema.validate(value_of(schema), schema, format_checker=checker)


def test_geminis_capitals_are_read():
    schema = {
        "type": "OBJECT",
        "properties": {"n": {"type": "INTEGER"}, "tags": {"type": "ARRAY", "minItems": "2"}},
    }
    assert value_of(schema) == {"n": 1, "tags": ["simulated", "simulated"]}


def test_an_optional_value_is_there():
    assert value_of({"anyOf": [{"type": "null"}, {"type": "integer"}]}) == 1


def test_a_schema_that_grows_without_end_is_bounded():
    names = [f"p{n}" for n in range(20)]
    bush = {"type": "object", "properties": {name: {"$ref": "#"} for name in names}}
    assert value_of(bush)["p0"]
