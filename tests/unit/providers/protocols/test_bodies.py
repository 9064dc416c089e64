"""Any body: read or refused by name; changed in what was asked for and nowhere else."""

import json
from importlib import import_module
from pkgutil import iter_modules

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import farthing.providers.protocols
from farthing.domain.errors import BadInput
from farthing.providers.body import altered, fields_of, repeats
from farthing.providers.protocol import Ask, Change

NAMES = [module.name for module in iter_modules(farthing.providers.protocols.__path__)]
PROTOCOLS = {name: import_module(f"farthing.providers.protocols.{name}").PROTOCOL for name in NAMES}
WORDS = (
    "model messages input contents tools n stream max_tokens max_completion_tokens temperature "
    "max_output_tokens generationConfig maxOutputTokens thinking budget_tokens system metadata "
    "stream_options include_usage prompt type source content role text parts x"
).split()

names = st.sampled_from(WORDS) | st.text(max_size=4)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(names, values, max_size=8)
layouts = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n ", " :\t")])


@pytest.mark.parametrize("name", NAMES)
def test_a_protocol_has_the_name_of_its_file(name):
    assert PROTOCOLS[name].name == name


@given(name=st.sampled_from(NAMES), sent=objects, ascii_=st.booleans(), layout=layouts)
@settings(max_examples=150, deadline=None)
def test_any_object_is_read_or_refused(name, sent, ascii_, layout):
    body = json.dumps(sent, ensure_ascii=ascii_, separators=layout)
    try:
        ask = PROTOCOLS[name].read(body.encode("utf-8", "replace"), "m", stream=False)
    except BadInput:
        return
    assert isinstance(ask, Ask)
    ask.turns()
    ask.prefix()
    change = Change(model="b", output_cap=1, include_usage=True, rewrite=ask.rewrite)
    json.loads(PROTOCOLS[name].change(body.encode(), change))


@given(name=st.sampled_from(NAMES), body=st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_refused(name, body):
    try:
        json.loads(body)
    except ValueError:
        with pytest.raises(BadInput):
            PROTOCOLS[name].read(body, "m", stream=False)


@given(
    sent=objects,
    layout=layouts,
    set_=st.dictionaries(st.sampled_from(WORDS), st.integers() | st.text(max_size=5), max_size=3),
    rewrite=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_every_other_field_keeps_its_bytes(sent, layout, set_, rewrite):
    body = json.dumps(sent, separators=layout).encode()
    new = altered(body, {k: json.dumps(v).encode() for k, v in set_.items()}, rewrite=rewrite)
    assert json.loads(new) == sent | set_
    before, after = fields_of(body), fields_of(new)
    for field in sent.keys() - set_.keys():
        assert bytes(before[field]) == bytes(after[field])


@given(
    pairs=st.lists(st.tuples(st.sampled_from(WORDS[:8]), values), min_size=1, max_size=8),
    escaped=st.integers(0, 10),
    apart=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_a_name_that_is_there_twice_is_always_noticed(pairs, escaped, apart):
    """Names may be spelled with escapes; large values are cut out as the protocols do it."""
    parts = []
    for place, (name, value) in enumerate(pairs):
        spelled = f"\\u{ord(name[0]):04x}{name[1:]}" if place == escaped else name
        parts.append(f'"{spelled}": {json.dumps(value)}')
    body = ("{" + ", ".join(parts) + "}").encode()
    fields = fields_of(body)
    cut = [bytes(fields[name]) for name in ("messages", "tools") if apart and name in fields]
    twice = len({name for name, _ in pairs}) < len(pairs)
    if twice:
        assert repeats(body, cut, [b'"%s"' % word.encode() for word in WORDS[:8]])


def test_a_plain_request_is_not_taken_for_one_with_a_name_twice():
    body = b'{"model":"m","messages":[{"role":"user","content":"n model n"}],"stop":["\\n"],"n":1}'
    messages = bytes(fields_of(body)["messages"])
    assert not repeats(body, [messages], [b'"model"', b'"n"', b'"messages"'])


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("openai_chat", "service_tier"),
        ("openai_responses", "service_tier"),
        ("gemini_generate", "serviceTier"),
    ],
)
@pytest.mark.parametrize(
    "before", [b'{"x": 1.0 ,"x2":"\\u00e4"}', b'{"FIELD": null,"x":1.0}', b"{}"]
)
def test_a_tier_is_asked_for_and_all_else_stays(name, field, before):
    before = before.replace(b"FIELD", field.encode())
    changed = PROTOCOLS[name].change(before, Change(service_tier="flex", include_usage=False))
    assert json.loads(changed) == {**json.loads(before), field: "flex"}
    assert before.partition(b",")[2] in changed
    ask_again = PROTOCOLS[name].change(changed, Change(service_tier="priority", rewrite=True))
    assert json.loads(ask_again)[field] == "priority"
