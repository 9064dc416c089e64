"""A protocol that another package brings is served like ours; a broken one harms nobody."""

import json
import os
import sys
from urllib.request import Request, urlopen

from tests.gateways import key, rows, up

ACME = """
from farthing.providers.protocol import Place
from farthing.providers.protocols.openai_chat import PROTOCOL as CHAT

class Acme:
    name = "acme_chat"
    place = Place(at=("/acme/chat",), speaks={"simulator": "/v1/chat/completions"})

    def read(self, body, model, *, stream):
        ask = CHAT.read(body, model, stream=stream)
        ask.protocol = self.name
        return ask

    def change(self, body, change):
        return CHAT.change(body, change)

    def meter(self, ask, *, strip_usage, provider=None):
        return CHAT.meter(ask, strip_usage=strip_usage, provider=provider)

    def refusal(self, refusal):
        return b'{"acme_error": "%b"}' % refusal.code.encode()

PROTOCOL = Acme()
"""


def install(folder, name, text):
    """A package as pip leaves it behind, which offers one protocol."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{name}.py").write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    entry = f"[farthing.providers.protocols]\n{name} = {name}:PROTOCOL\n"
    (info / "entry_points.txt").write_text(entry)


def post(gateway, token, body):
    request = Request(
        f"{gateway.gateway}/acme/chat", body, {"authorization": f"Bearer {token}"}, method="POST"
    )
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except OSError as error:
        with error:
            return error.code, error.headers, error.read()


def test_an_installed_protocol_is_served_metered_and_refuses_in_its_own_words(tmp_path):
    install(tmp_path / "site", "acme", ACME)
    install(tmp_path / "site", "wrecked", "raise RuntimeError('no such luck')")
    models = 'models = ["sim-small"]\n'
    (tmp_path / "farthing.toml").write_text(f'[providers.sim]\nkind = "simulator"\n{models}')
    made = key(tmp_path)
    body = {"model": "sim-small", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
    there = os.pathsep.join([str(tmp_path / "site"), *sys.path])
    with up(tmp_path, environment={"PYTHONPATH": there}) as gateway:
        status, headers, said = post(gateway, made["key"], json.dumps(body).encode())
        refused = post(gateway, made["key"], b"{")
        stranger = post(gateway, "fk_nobody_nothing", b"{}")
    assert (status, json.loads(said)["object"]) == (200, "chat.completion")
    assert (refused[0], refused[2]) == (400, b'{"acme_error": "bad_request"}')
    assert (stranger[0], stranger[2]) == (401, b'{"acme_error": "invalid_key"}')
    (row,) = rows(tmp_path)
    assert row["id"] == headers["x-farthing-request-id"]
    assert row["usage"]["input_fresh"] == json.loads(said)["usage"]["prompt_tokens"]
