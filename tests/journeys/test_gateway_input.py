"""Bad input to the gateway gets the protocol's own error, and no secret is ever repeated."""

import json
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.collectors import SERVER, collector
from tests.gateways import configure, eventually, key, provider, rows, up

BAD = {
    "no JSON": (b"{", 400, "bad_request"),
    "no object": (b"[1, 2]", 400, "bad_request"),
    "bad UTF-8": (b'{"model": "sim-small", "messages": [], "user": "\xff"}', 400, "bad_request"),
    "wrong type": (
        b'{"model": "sim-small", "messages": [], "max_tokens": "x"}',
        400,
        "bad_request",
    ),
    "n too large": (b'{"model": "sim-small", "messages": [], "n": 1000}', 400, "bad_request"),
    "nested too deeply": (b'{"model": "sim-small", "messages": ' + b"[" * 5000, 400, "bad_request"),
    "unknown model": (b'{"model": "gpt-9", "messages": []}', 404, "model_not_found"),
}


def post(url, token, body, headers=None):
    request = Request(
        f"{url}/v1/chat/completions",
        body,
        {"authorization": f"Bearer {token}", "content-type": "application/json", **(headers or {})},
    )
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_body_is_refused_in_words_and_nothing_is_sent(simulated, name):
    body, status, code = BAD[name]
    got, answer = post(simulated.gateway, simulated.demo_key, body)
    assert (got, answer["error"]["code"]) == (status, code)
    assert len(answer["error"]["message"]) > 20


def test_keys_that_expired_or_were_revoked_are_told_so(simulated):
    from tests.journeys.commands import farthing

    made = key(simulated.folder)
    assert farthing("key", "revoke", made["id"], folder=simulated.folder).returncode == 0
    deadline = time.monotonic() + 10
    while True:
        status, answer = post(simulated.gateway, made["key"], b"{}")
        if answer["error"]["code"] == "revoked_key" or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert (status, answer["error"]["code"]) == (401, "revoked_key")


def test_no_secret_reaches_logs_rows_errors_spans_or_the_provider(tmp_path):
    planted, token = "sk-planted-provider-secret-4711", "collector-token-0815"
    log = tmp_path / "up.log"
    with provider(tmp_path) as simulator, collector() as collected:
        telemetry = f'[telemetry]\notlp = "{collected.url}"\nlog = "calls"\nsampling = "all"\n'
        telemetry += 'headers = { authorization = "env:TOKEN" }\n'
        configure(tmp_path, simulator.url, f'api_key = "env:PLANTED"\n{telemetry}')
        made = key(tmp_path)
        secrets = {"PLANTED": planted, "TOKEN": token}
        with up(tmp_path, environment=secrets, log=log) as gateway:
            body = json.dumps(
                {"model": "sim-small", "messages": [{"role": "user", "content": "a secret prompt"}]}
            ).encode()
            post(gateway.gateway, made["key"], body)
            _, refused = post(gateway.gateway, made["key"], body, {"x-sim-error": "500"})
            _, unasked = post(gateway.gateway, made["key"][:-4] + "abcd", body)
            pages = [f"{gateway.gateway}/metrics", f"{gateway.office}/metrics"]
            told = b"".join(urlopen(page, timeout=30).read() for page in pages)
            eventually(lambda: len(collected.of(SERVER)) == 2)
        assert collected.headers[0]["authorization"] == token
    assert rows(tmp_path)
    secret = made["key"].rpartition("_")[2].encode()
    texts = [told, json.dumps([refused, unasked]).encode(), log.read_bytes(), *collected.bodies]
    assert b'"message":"call"' in log.read_bytes()
    texts += [path.read_bytes() for path in (tmp_path / ".farthing").rglob("*") if path.is_file()]
    texts += [simulator.log.read_bytes()]
    kept = (planted.encode(), secret, token.encode(), made["key"].encode())
    assert not [each for each in kept for text in texts if each in text]
    assert not any(b"a secret prompt" in text for text in texts)
