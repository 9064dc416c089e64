"""Each kind of upstream: where it is, how it takes a key, what it speaks where."""

from urllib.parse import urlsplit

import pytest

from farthing.domain.errors import Refused
from farthing.prices.names import ALIASES
from farthing.providers.kinds import KINDS, is_passed, joined

NAMES = (
    "openai azure anthropic gemini together mistral groq deepseek openrouter vllm ollama "
    "openai-compatible simulator"
)


def test_every_upstream_that_we_promise_is_in_the_table():
    assert list(KINDS) == NAMES.split()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_row_is_sound(kind):
    assert kind.base_url is None or urlsplit(kind.base_url).hostname
    assert "openai_chat" in kind.speaks
    assert kind.priced_as in {*ALIASES.values(), None, "simulator"}
    for protocol in kind.speaks:
        assert kind.target(protocol, "m").startswith(b"/")
        name, value = kind.credentials("secret", protocol)
        assert name == name.lower()
        assert value.endswith(b"secret")


def test_a_protocol_that_is_not_spoken_is_refused():
    with pytest.raises(Refused, match="'mistral' do not speak anthropic_messages"):
        KINDS["mistral"].target("anthropic_messages", "m")


def test_the_compatible_endpoints_take_a_bearer():
    gemini = KINDS["gemini"]
    assert gemini.credentials("k", "gemini_generate") == (b"x-goog-api-key", b"k")
    assert gemini.credentials("k", "openai_chat") == (b"authorization", b"Bearer k")
    assert KINDS["azure"].credentials("k", "openai_chat") == (b"api-key", b"k")
    assert KINDS["ollama"].credentials("", "openai_chat") is None


def test_gemini_has_model_and_stream_in_its_path_and_nothing_escapes_it():
    target = KINDS["gemini"].target
    whole = b"/v1beta/models/gemini-3-pro:generateContent"
    assert target("gemini_generate", "gemini-3-pro") == whole
    assert target("gemini_generate", "models/gemini-3-pro") == whole
    streams = b"/v1beta/models/m:streamGenerateContent"
    assert target("gemini_generate", "m", stream=True) == streams + b"?alt=sse"
    assert target("gemini_generate", "m", stream=True, events=False) == streams
    assert b"/../" not in target("gemini_generate", "../../files?x=1#")
    assert b"?" not in target("gemini_generate", "../../files?x=1#")


def test_a_version_in_both_base_and_target_is_there_once():
    assert joined(b"/v1", b"/v1/messages") == b"/v1/messages"
    assert joined(b"/v1/", b"/chat/completions") == b"/v1/chat/completions"
    assert joined(b"", b"/v1/messages") == b"/v1/messages"
    assert joined(b"/v1beta", b"/v1beta/models/m:x") == b"/v1beta/models/m:x"
    assert joined(b"/v1", b"/v1beta/models/m:x") == b"/v1/v1beta/models/m:x"
    assert joined(b"/proxy/v1", b"/v1/messages") == b"/proxy/v1/messages"


def test_headers_that_carry_a_key_an_address_or_an_account_do_not_go_on():
    kept = [b"anthropic-beta", b"x-stainless-lang"]
    stopped = (
        b"authorization x-api-key api-key x-goog-api-key cookie x-forwarded-for forwarded host "
        b"openai-organization openai-project x-goog-user-project x-farthing-team traceparent "
        b"baggage accept-encoding content-type content-encoding transfer-encoding connection"
    )
    assert [name for name in (*kept, *stopped.split()) if is_passed(name)] == kept
