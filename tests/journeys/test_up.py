"""`farthing up` starts, tells where it is, restarts what dies, and ends in order."""

import json
import os
import signal

import pytest

from farthing.ledger import journal
from farthing.ledger.workspace import Workspace
from tests.gateways import Up, configure, key, provider, rows, start, until_ready, up
from tests.journeys.calling import send_all
from tests.journeys.commands import farthing


def call(token, content="Hello", **headers):
    body = {"model": "sim-small", "messages": [{"role": "user", "content": content}]}
    return body, {"authorization": f"Bearer {token}", **headers}, 30.0


def test_without_any_configuration_the_demo_answers_and_has_a_month_of_traffic(tmp_path):
    with up(tmp_path) as first:
        assert first.admin_token
        assert first.demo_key
        (answer,) = send_all(first.gateway, [call(first.demo_key)])
        assert answer.status == 200
        assert b"imulated" in answer.body
    with up(tmp_path) as second:
        assert second.admin_token is None
        assert second.demo_key == first.demo_key
    report = farthing("report", "--json", folder=tmp_path)
    assert json.loads(report.stdout)["calls"] > 30_000


def test_sigterm_lets_calls_end_and_closes_the_books(tmp_path):
    with provider(tmp_path) as simulator:
        configure(tmp_path, simulator.url)
        made = key(tmp_path)
        started = start(tmp_path)
        (answer,) = send_all(started.gateway, [call(made["key"])])
        assert answer.status == 200
        assert started.stop() == 0
    assert journal.unclosed(Workspace.open(tmp_path / ".farthing")) == []
    assert len(rows(tmp_path)) == 1


def test_what_dies_is_started_again_on_the_same_port(tmp_path):
    with provider(tmp_path) as simulator:
        configure(tmp_path, simulator.url)
        made = key(tmp_path)
        with up(tmp_path) as started:
            os.kill(started.gateway_pid(), signal.SIGKILL)
            until_ready(started.gateway)
            (answer,) = send_all(started.gateway, [call(made["key"])])
            assert answer.status == 200


def test_a_killed_supervisor_takes_its_processes_with_it(tmp_path):
    with provider(tmp_path) as simulator:
        configure(tmp_path, simulator.url)
        started: Up = start(tmp_path)
        port = started.gateway.rpartition(":")[2]
        started.process.kill()
        started.stop()
        again = start(tmp_path, "--gateway-port", port)
        assert again.gateway == started.gateway
        assert again.stop() == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gateway]\nworkers = 2\n", "shared state"),
        ("[providers.x]\naccount = 'a'\n", "farthing init"),
        ("[providers.x]\nkind = 'nobody'\n", "no kind is called"),
        ("[providers.x]\nkind = 'openai'\napi_key = 'env:NOT_SET_ANYWHERE'\n", "NOT_SET_ANYWHERE"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(tmp_path, text, said):
    (tmp_path / "farthing.toml").write_text(text)
    done = farthing("up", "--gateway-port", "0", "--office-port", "0", "--json", folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
